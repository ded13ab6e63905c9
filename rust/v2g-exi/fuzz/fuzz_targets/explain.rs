//! The explanation of any stream: its pieces are in order and lie in the stream, and it finds the decoder's fault.
#![no_main]

mod input;

use input::Input;
use libfuzzer_sys::fuzz_target;
use v2g_exi::decode::{Decoder, Options};
use v2g_exi::tape::Tape;
use v2g_exi::trace::explain;

fuzz_target!(|data: &[u8]| {
    let Some(Input { grammar, fragment, stream }) = Input::of(data) else { return };
    let (rows, told) = explain(grammar, stream, Options::default(), fragment);
    let mut next = 0;
    for row in &rows {
        assert!(row.from >= next, "{row:?}");
        next = row.from + row.width;
    }
    let found = Tape::default().decode(&mut Decoder::default(), grammar, stream, Options::default(), fragment);
    assert_eq!(told.is_ok(), found.is_ok());
    assert!(told.is_err() || next <= stream.len() as u64 * 8);
});
