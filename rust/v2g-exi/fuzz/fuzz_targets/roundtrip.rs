//! What is accepted can be encoded, and that decodes to the same bytes again.
#![no_main]

mod input;

use input::Input;
use libfuzzer_sys::fuzz_target;
use v2g_exi::decode::{Decoder, Options};
use v2g_exi::encode::Style;
use v2g_exi::tape::Tape;

fuzz_target!(|data: &[u8]| {
    let Some(Input { grammar, fragment, stream }) = Input::of(data) else { return };
    let (mut decoder, mut tape) = (Decoder::default(), Tape::default());
    if tape.decode(&mut decoder, grammar, stream, Options::default(), fragment).is_err() {
        return;
    }
    let style = Style::default();
    let canonical = tape.encode(grammar, style, Vec::new()).expect("what was decoded can be encoded");
    assert!(canonical.len() <= stream.len() + 8, "the canonical form is not longer");
    let mut again = Tape::default();
    let read = again.decode(&mut decoder, grammar, &canonical, Options::default(), fragment);
    assert!(read.is_ok(), "what was encoded can be decoded");
    assert_eq!(again.encode(grammar, style, Vec::new()).expect("encodes"), canonical);
});
