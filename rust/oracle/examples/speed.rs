//! Times both codecs on messages from standard input: lines of name, schema set and hex.
//!
//! `speed ours|theirs decode|encode` prints name and nanoseconds, the least of many batches, for each
//! message.
//! `speed ours|theirs decode|encode NAME COUNT` does it COUNT times, for a counter of instructions.

use std::hint::black_box;
use std::io::BufRead;
use std::time::Instant;
use v2g_exi::decode::{Decoder, Options};
use v2g_exi::encode::Style;
use v2g_exi::grammar::Grammar;
use v2g_exi::tape::Tape;
use v2g_exi_oracle::Theirs;

const BATCHES: usize = 300;
const BATCH_NANOSECONDS: u128 = 300_000;

struct Message {
    name: String,
    set: String,
    data: Vec<u8>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let messages = messages();
    match words[..] {
        [who, what] => {
            for message in &messages {
                let mut step = step(who, what, message);
                println!("{} {:.1}", message.name, least(&mut step));
            }
        }
        [who, what, name, count] => {
            let message = messages.iter().find(|m| m.name == name).expect("a known NAME");
            let mut step = step(who, what, message);
            for _ in 0..count.parse::<u32>().expect("COUNT is a number") {
                step();
            }
        }
        _ => panic!("ours|theirs decode|encode [NAME COUNT]"),
    }
}

fn messages() -> Vec<Message> {
    let lines = std::io::stdin().lock().lines().map(|line| line.expect("text"));
    let messages = lines.map(|line| {
        let [name, set, hex] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("three words") };
        let digits = |i| u8::from_str_radix(&hex[i..i + 2], 16).expect("hex");
        Message { name: name.into(), set: set.into(), data: (0..hex.len()).step_by(2).map(digits).collect() }
    });
    messages.collect()
}

/// Nanoseconds of one step in the fastest batch.
fn least(step: &mut dyn FnMut()) -> f64 {
    let mut count = 1u32;
    loop {
        let start = Instant::now();
        (0..count).for_each(|_| step());
        if start.elapsed().as_nanos() > BATCH_NANOSECONDS || count > 1 << 20 {
            break;
        }
        count *= 2;
    }
    let batches = (0..BATCHES).map(|_| {
        let start = Instant::now();
        (0..count).for_each(|_| step());
        start.elapsed().as_secs_f64() * 1e9 / f64::from(count)
    });
    batches.fold(f64::INFINITY, f64::min)
}

/// One decode or encode, with memory that is used again where the codec allows it.
fn step<'m>(who: &str, what: &str, message: &'m Message) -> Box<dyn FnMut() + 'm> {
    let grammar: &'static Grammar = v2g_exi::tables::by_name(&message.set).expect("a known set");
    let (mut decoder, mut tape, mut buffer) = (Decoder::default(), Tape::default(), Vec::new());
    match (who, what) {
        ("ours", "decode") => Box::new(move || {
            let data = black_box(&message.data);
            black_box(tape.decode(&mut decoder, grammar, data, Options::default(), false).expect("valid"));
        }),
        ("ours", _) => {
            tape.decode(&mut decoder, grammar, &message.data, Options::default(), false).expect("valid");
            Box::new(move || {
                let tape = black_box(&tape);
                buffer = tape.encode(grammar, Style::default(), std::mem::take(&mut buffer)).expect("valid");
                black_box(&buffer);
            })
        }
        (_, "decode") => Box::new(move || {
            black_box(Theirs::decode(&message.set, black_box(&message.data), false).expect("valid"));
        }),
        _ => {
            let theirs = Theirs::decode(&message.set, &message.data, false).expect("valid");
            let mut room = vec![0; 1 << 16];
            Box::new(move || {
                let length = black_box(&theirs).encode_into(&mut room).expect("valid");
                black_box(&room[..length]);
            })
        }
    }
}
