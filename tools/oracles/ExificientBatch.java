import com.siemens.ct.exi.core.EXIFactory;
import com.siemens.ct.exi.core.grammars.Grammars;
import com.siemens.ct.exi.core.helpers.DefaultEXIFactory;
import com.siemens.ct.exi.grammars.GrammarFactory;
import com.siemens.ct.exi.main.api.sax.SAXEncoder;
import com.siemens.ct.exi.main.api.sax.SAXFactory;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import javax.xml.parsers.SAXParserFactory;
import org.xml.sax.Attributes;
import org.xml.sax.ContentHandler;
import org.xml.sax.InputSource;
import org.xml.sax.SAXException;
import org.xml.sax.XMLReader;
import org.xml.sax.helpers.XMLFilterImpl;

/**
 * EXIficient without the JSON layer of EXICodec, for many messages.
 *
 * Argument: the class of the jar that holds the grammars, or an XSD file to compile. Standard input: lines of stream
 * (hex) and document (base64), separated by a tab. Each is answered with "same", or with what differs: the document
 * must be encoded to the stream, and the stream decoded to the content of the document. A third word on a line leaves
 * out the first.
 */
public final class ExificientBatch {
    private static final String XSI = "http://www.w3.org/2001/XMLSchema-instance";

    private static SAXEncoder encoder;
    private static XMLReader decoder;
    private static XMLReader parser;

    public static void main(String[] arguments) throws Exception {
        EXIFactory factory = DefaultEXIFactory.newInstance();
        factory.setValuePartitionCapacity(0);
        factory.setMaximumNumberOfBuiltInElementGrammars(0);
        factory.setMaximumNumberOfBuiltInProductions(0);
        factory.setGrammars(grammars(arguments[0]));
        // Made once, because making them takes a hundred times as long as using them.
        encoder = new SAXFactory(factory).createEXIWriter();
        decoder = new SAXFactory(factory).createEXIReader();
        SAXParserFactory parsers = SAXParserFactory.newInstance();
        parsers.setNamespaceAware(true);
        parser = parsers.newSAXParser().getXMLReader();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, "US-ASCII"));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] parts = line.split("\t");
            byte[] stream = HexFormat.of().parseHex(parts[0]);
            System.out.println(answer(stream, Base64.getDecoder().decode(parts[1]), parts.length < 3));
        }
        System.out.flush();
    }

    private static Grammars grammars(String name) throws Exception {
        if (name.endsWith(".xsd")) {
            return GrammarFactory.newInstance().createGrammars(name);
        }
        String full = "com.siemens.ct.exi.main.generatedgrammar." + name;
        return (Grammars) Class.forName(full).getDeclaredConstructor().newInstance();
    }

    private static String answer(byte[] stream, byte[] document, boolean writes) {
        String step = "encode";
        try {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            encoder.setOutputStream(out);
            parse(document, encoder);
            if (writes && !Arrays.equals(out.toByteArray(), stream)) {
                return "encode\t" + HexFormat.of().formatHex(out.toByteArray());
            }
            step = "decode";
            Events written = new Events();
            parse(document, written);
            Events read = new Events();
            decoder.setContentHandler(read);
            decoder.parse(new InputSource(new ByteArrayInputStream(stream)));
            return read.list.equals(written.list) ? "same" : "decode\t" + read.list;
        } catch (Exception | OutOfMemoryError error) {
            return step + "\t" + String.valueOf(error).replaceAll("\\s", " ");
        }
    }

    private static void parse(byte[] document, ContentHandler handler) throws Exception {
        Unindented filter = new Unindented();
        filter.setParent(parser);
        filter.setContentHandler(handler);
        // As characters: this Xerces misreads some four-byte ones where its buffer ends.
        filter.parse(new InputSource(new StringReader(new String(document, StandardCharsets.UTF_8))));
    }

    /** Leaves out the white space that indents a document, and joins text. */
    private static final class Unindented extends XMLFilterImpl {
        private final StringBuilder text = new StringBuilder();

        @Override
        public void characters(char[] data, int start, int length) {
            text.append(data, start, length);
        }

        @Override
        public void startElement(String uri, String local, String name, Attributes attributes) throws SAXException {
            flush();
            super.startElement(uri, local, name, attributes);
        }

        @Override
        public void endElement(String uri, String local, String name) throws SAXException {
            flush();
            super.endElement(uri, local, name);
        }

        private void flush() throws SAXException {
            if (text.length() > 0 && !(text.charAt(0) == '\n' && text.toString().isBlank())) {
                char[] data = text.toString().toCharArray();
                super.characters(data, 0, data.length);
            }
            text.setLength(0);
        }
    }

    /** The content as a list of words; white space in values is none of EXI's business. */
    private static final class Events extends XMLFilterImpl {
        final List<String> list = new ArrayList<>();
        private final StringBuilder text = new StringBuilder();
        private final Map<String, String> spaces = new HashMap<>();

        @Override
        public void startPrefixMapping(String prefix, String uri) {
            spaces.put(prefix, uri);
        }

        @Override
        public void startElement(String uri, String local, String name, Attributes attributes) {
            flush();
            list.add("<{" + uri + "}" + local);
            List<String> sorted = new ArrayList<>();
            for (int i = 0; i < attributes.getLength(); i++) {
                String space = attributes.getURI(i);
                String value = attributes.getValue(i);
                value = space.equals(XSI) ? named(value) : value;
                sorted.add("@{" + space + "}" + attributes.getLocalName(i) + "=" + value);
            }
            sorted.sort(null);
            list.addAll(sorted);
        }

        /** A type by its namespace, since prefixes differ. */
        private String named(String prefixed) {
            int colon = prefixed.indexOf(':');
            return "{" + spaces.get(prefixed.substring(0, Math.max(colon, 0))) + "}" + prefixed.substring(colon + 1);
        }

        @Override
        public void endElement(String uri, String local, String name) {
            flush();
            list.add(">");
        }

        @Override
        public void characters(char[] data, int start, int length) {
            text.append(data, start, length);
        }

        private void flush() {
            String word = text.toString().replaceAll("[\r\n]", "");
            if (!word.isEmpty()) {
                list.add(word);
            }
            text.setLength(0);
        }
    }
}
