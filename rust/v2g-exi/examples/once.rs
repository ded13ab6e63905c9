//! Decodes or encodes one message of `benches/messages.txt` a number of times: the subject of instruction
//! counts.
//!
//! `once NAME decode|encode COUNT < benches/messages.txt`

use std::hint::black_box;
use std::io::BufRead;
use v2g_exi::decode::{Decoder, Options};
use v2g_exi::encode::Style;
use v2g_exi::tape::Tape;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, name, what, count] = arguments.as_slice() else { panic!("NAME decode|encode COUNT") };
    let count: u32 = count.parse().expect("COUNT is a number");
    let lines = std::io::stdin().lock().lines().map(|l| l.expect("text"));
    let line = lines.filter(|l| l.split(' ').next() == Some(name.as_str())).last().expect("a known NAME");
    let parts: Vec<&str> = line.split(' ').collect();
    let data: Vec<u8> = (0..parts[2].len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&parts[2][i..i + 2], 16).expect("hex"))
        .collect();
    let grammar = v2g_exi::tables::by_name(parts[1]).expect("a known set");
    let (mut decoder, mut tape, mut buffer) = (Decoder::default(), Tape::default(), Vec::new());
    tape.decode(&mut decoder, grammar, &data, Options::default(), false).expect("valid");
    let start = std::time::Instant::now();
    for _ in 0..count {
        if what == "decode" {
            let report = tape.decode(&mut decoder, grammar, black_box(&data), Options::default(), false);
            black_box(report.expect("valid"));
        } else {
            buffer = tape.encode(grammar, Style::default(), std::mem::take(&mut buffer)).expect("valid");
            black_box(&buffer);
        }
    }
    if what == "encode" && count > 0 {
        assert_eq!(buffer, data);
    }
    eprintln!("{name} {what} {} ns", start.elapsed().as_nanos() / u128::from(count.max(1)));
}
