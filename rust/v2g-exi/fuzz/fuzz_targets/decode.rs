//! Any bytes, as document and fragment of every schema set, in both forms of full lists: a message or an
//! error.
#![no_main]

mod input;

use input::Input;
use libfuzzer_sys::fuzz_target;
use v2g_exi::decode::{Decoder, FullLists, Options};
use v2g_exi::tape::Tape;

fuzz_target!(|data: &[u8]| {
    let Some(Input { grammar, fragment, stream }) = Input::of(data) else { return };
    for full_lists in [None, Some(FullLists::Loop)] {
        let options = Options { full_lists, ..Options::default() };
        let (mut decoder, mut tape) = (Decoder::default(), Tape::default());
        let _ = tape.decode(&mut decoder, grammar, stream, options, fragment);
        assert!(tape.nodes.len() <= stream.len() * 8, "an element takes a bit at least");
    }
});
