// Opens an installation bundle of ISO 15118-20 with the cryptography of Java, as a vehicle does.
//
// java BundleReader.java < values      each line: a name, a space, octets in hexadecimal
//
// curve     ASCII SECP521 or X448
// sender    DHPublicKey
// receiver  the private key of the vehicle, PKCS#8 (of X448: the derived key)
// encrypted IV, ciphertext and tag
// aad       PCID and SubjectKeyIdentifier
// contract  the contract certificate
// cps       the certificate of the CPS
// signed    SignedInfo as EXI fragment
// value     SignatureValue
// Prints one JSON object; ends with a stack trace where anything is wrong.

import java.io.ByteArrayInputStream;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.security.AlgorithmParameters;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.ECParameterSpec;
import java.security.spec.ECPoint;
import java.security.spec.ECPrivateKeySpec;
import java.security.spec.ECPublicKeySpec;
import java.security.spec.EdECPrivateKeySpec;
import java.security.spec.NamedParameterSpec;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.XECPublicKeySpec;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.Scanner;
import javax.crypto.Cipher;
import javax.crypto.KeyAgreement;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.SecretKeySpec;

public final class BundleReader {
    public static void main(String[] arguments) throws Exception {
        Map<String, byte[]> given = new HashMap<>();
        Scanner lines = new Scanner(System.in);
        while (lines.hasNext()) {
            given.put(lines.next(), HexFormat.of().parseHex(lines.next()));
        }
        boolean newer = new String(given.get("curve"), StandardCharsets.US_ASCII).equals("X448");
        byte[] plain = decrypt(given, agree(given, newer));
        PrivateKey key = newer ? ed448(plain) : secp521(plain);
        X509Certificate contract = certificate(given.get("contract"));
        X509Certificate cps = certificate(given.get("cps"));
        String algorithm = newer ? "Ed448" : "SHA512withECDSAinP1363Format";
        byte[] challenge = {1, 2, 3};
        Signature signer = Signature.getInstance(algorithm);
        signer.initSign(key);
        signer.update(challenge);
        boolean fits = verify(algorithm, contract.getPublicKey(), challenge, signer.sign());
        boolean signed = verify(algorithm, cps.getPublicKey(), given.get("signed"), given.get("value"));
        System.out.printf("{\"key\": \"%s\", \"fits\": %b, \"signed\": %b}%n",
            HexFormat.of().formatHex(plain), fits, signed);
    }

    private static byte[] agree(Map<String, byte[]> given, boolean newer) throws Exception {
        String name = newer ? "X448" : "ECDH";
        KeyFactory factory = KeyFactory.getInstance(newer ? "X448" : "EC");
        KeyAgreement agreement = KeyAgreement.getInstance(name);
        agreement.init(factory.generatePrivate(new PKCS8EncodedKeySpec(given.get("receiver"))));
        byte[] sender = given.get("sender");
        PublicKey point;
        if (newer) {
            byte[] big = sender.clone();
            for (int i = 0; i < big.length; i++) {
                big[i] = sender[sender.length - 1 - i];
            }
            point = factory.generatePublic(new XECPublicKeySpec(NamedParameterSpec.X448, new BigInteger(1, big)));
        } else {
            BigInteger x = new BigInteger(1, Arrays.copyOfRange(sender, 1, 67));
            BigInteger y = new BigInteger(1, Arrays.copyOfRange(sender, 67, 133));
            point = factory.generatePublic(new ECPublicKeySpec(new ECPoint(x, y), p521()));
        }
        agreement.doPhase(point, true);
        return agreement.generateSecret();
    }

    private static byte[] decrypt(Map<String, byte[]> given, byte[] shared) throws Exception {
        MessageDigest kdf = MessageDigest.getInstance("SHA-512");
        kdf.update(new byte[] {0, 0, 0, 1});
        kdf.update(shared);
        kdf.update(new byte[] {1, 0x55, 0x56});
        byte[] encrypted = given.get("encrypted");
        Cipher cipher = Cipher.getInstance("AES/GCM/NoPadding");
        cipher.init(Cipher.DECRYPT_MODE, new SecretKeySpec(kdf.digest(), 0, 32, "AES"),
            new GCMParameterSpec(128, encrypted, 0, 12));
        cipher.updateAAD(given.get("aad"));
        return cipher.doFinal(encrypted, 12, encrypted.length - 12);
    }

    private static PrivateKey secp521(byte[] plain) throws Exception {
        return KeyFactory.getInstance("EC").generatePrivate(new ECPrivateKeySpec(new BigInteger(1, plain), p521()));
    }

    private static PrivateKey ed448(byte[] plain) throws Exception {
        return KeyFactory.getInstance("Ed448")
            .generatePrivate(new EdECPrivateKeySpec(NamedParameterSpec.ED448, Arrays.copyOf(plain, 57)));
    }

    private static ECParameterSpec p521() throws Exception {
        AlgorithmParameters curve = AlgorithmParameters.getInstance("EC");
        curve.init(new ECGenParameterSpec("secp521r1"));
        return curve.getParameterSpec(ECParameterSpec.class);
    }

    private static X509Certificate certificate(byte[] der) throws Exception {
        return (X509Certificate) CertificateFactory.getInstance("X.509")
            .generateCertificate(new ByteArrayInputStream(der));
    }

    private static boolean verify(String algorithm, PublicKey key, byte[] content, byte[] value) throws Exception {
        Signature verifier = Signature.getInstance(algorithm);
        verifier.initVerify(key);
        verifier.update(content);
        return verifier.verify(value);
    }
}
