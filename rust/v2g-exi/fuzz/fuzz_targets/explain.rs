//! The explanation of any stream: its pieces join from the first bit to the last, and its fault is the
//! decoder's.
#![no_main]

mod input;

use input::Input;
use libfuzzer_sys::fuzz_target;
use v2g_exi::decode::{Decoder, Options};
use v2g_exi::error::Failure;
use v2g_exi::tape::Tape;
use v2g_exi::trace::explain;

fuzz_target!(|data: &[u8]| {
    let Some(Input { grammar, fragment, stream }) = Input::of(data) else { return };
    let (rows, told) = explain(grammar, stream, Options::default(), fragment);
    let mut next = 0;
    for row in &rows {
        assert_eq!(row.from, next, "{row:?}");
        next = row.from + row.width;
    }
    let found = Tape::default().decode(&mut Decoder::default(), grammar, stream, Options::default(), fragment);
    assert_eq!(next, stream.len() as u64 * 8);
    match (told, found) {
        (Ok(told), Ok(found)) => assert_eq!(told, found),
        (Err(told), Err(Failure::Stream(found))) => assert_eq!(told, found),
        (told, found) => panic!("told {told:?}, found {found:?}"),
    }
});
