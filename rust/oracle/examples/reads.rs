//! Which streams the crate `iso15118` reads: for lines of schema set, stream and expected stream (hex) one
//! word each.
//!
//! `same` if it writes what it read as the expected stream, `other` if it reads something else, `refuses`.

use std::io::BufRead;
use v2g_exi_oracle::Theirs;

fn main() {
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("text");
        let [set, stream, expected] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("three words") };
        let word = match Theirs::decode(set, &unhex(stream), false).and_then(|read| read.encode(false)) {
            Ok(written) if written == unhex(expected) => "same",
            Ok(_) => "other",
            Err(_) => "refuses",
        };
        println!("{word}");
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = |i| u8::from_str_radix(&text[i..i + 2], 16).expect("hex");
    (0..text.len()).step_by(2).map(digits).collect()
}
