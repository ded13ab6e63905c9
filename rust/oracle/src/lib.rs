//! The crate `iso15118`, a codec of generated Rust structures, behind the names that this project gives
//! schema sets.
//!
//! It knows neither DIN SPEC 70121 nor elements of simple type as roots.

use iso15118::app_protocol::{SupportedAppProtocolReq, SupportedAppProtocolRes};
use iso15118::exi::{ExiDocument, ExiError};
use iso15118::{iso2, iso20};
use v2g_exi::tables::NAMES;

/// The schema sets that it knows.
pub fn sets() -> impl Iterator<Item = &'static str> {
    NAMES.into_iter().filter(|set| !matches!(*set, "xmldsig" | "din"))
}

/// A message as that crate keeps it.
#[derive(Debug)]
pub enum Theirs {
    /// supportedAppProtocolReq
    Request(SupportedAppProtocolReq),
    /// supportedAppProtocolRes
    Response(SupportedAppProtocolRes),
    /// ISO 15118-2
    Iso2(Box<iso2::Document>),
    /// ISO 15118-20, the messages of all kinds of charging
    Common(Box<iso20::messages::Document>),
    /// ISO 15118-20, alternating current
    Ac(Box<iso20::ac::Document>),
    /// ISO 15118-20, direct current
    Dc(Box<iso20::dc::Document>),
    /// ISO 15118-20, wireless
    Wpt(Box<iso20::wpt::Document>),
    /// ISO 15118-20, pantograph
    Acdp(Box<iso20::acdp::Document>),
    /// ISO 15118-20 Amendment 1, IEC
    Iec(Box<iso20::ac_der_iec::Document>),
    /// ISO 15118-20 Amendment 1, SAE
    Sae(Box<iso20::ac_der_sae::Document>),
}

impl Theirs {
    /// Decodes a document, or a fragment, of `set`.
    pub fn decode(set: &str, data: &[u8], fragment: bool) -> Result<Self, ExiError> {
        macro_rules! read {
            ($document:ty, $variant:ident) => {
                if fragment {
                    <$document>::from_fragment(data).map(|d| Self::$variant(Box::new(d)))
                } else {
                    <$document>::from_bytes(data).map(|d| Self::$variant(Box::new(d)))
                }
            };
        }
        match set {
            "sap" if data.get(1).is_some_and(|octet| octet >> 6 == 0) => {
                SupportedAppProtocolReq::from_bytes(data).map(Self::Request)
            }
            "sap" => SupportedAppProtocolRes::from_bytes(data).map(Self::Response),
            "iso2" => read!(iso2::Document, Iso2),
            "iso20-common" => read!(iso20::messages::Document, Common),
            "iso20-ac" => read!(iso20::ac::Document, Ac),
            "iso20-dc" => read!(iso20::dc::Document, Dc),
            "iso20-wpt" => read!(iso20::wpt::Document, Wpt),
            "iso20-ac-der-iec" => read!(iso20::ac_der_iec::Document, Iec),
            "iso20-ac-der-sae" => read!(iso20::ac_der_sae::Document, Sae),
            _ => read!(iso20::acdp::Document, Acdp),
        }
    }

    /// Encodes the message again.
    pub fn encode(&self, fragment: bool) -> Result<Vec<u8>, ExiError> {
        macro_rules! write {
            ($document:ident) => {
                if fragment {
                    $document.to_fragment()
                } else {
                    $document.to_vec()
                }
            };
        }
        match self {
            Self::Request(message) => message.to_vec(),
            Self::Response(message) => message.to_vec(),
            Self::Iso2(d) => write!(d),
            Self::Common(d) => write!(d),
            Self::Ac(d) => write!(d),
            Self::Dc(d) => write!(d),
            Self::Wpt(d) => write!(d),
            Self::Acdp(d) => write!(d),
            Self::Iec(d) => write!(d),
            Self::Sae(d) => write!(d),
        }
    }

    /// Encodes the document into `room`, without allocation; returns the length.
    pub fn encode_into(&self, room: &mut [u8]) -> Result<usize, ExiError> {
        match self {
            Self::Request(message) => message.to_slice(room),
            Self::Response(message) => message.to_slice(room),
            Self::Iso2(d) => d.to_slice(room),
            Self::Common(d) => d.to_slice(room),
            Self::Ac(d) => d.to_slice(room),
            Self::Dc(d) => d.to_slice(room),
            Self::Wpt(d) => d.to_slice(room),
            Self::Acdp(d) => d.to_slice(room),
            Self::Iec(d) => d.to_slice(room),
            Self::Sae(d) => d.to_slice(room),
        }
    }
}
