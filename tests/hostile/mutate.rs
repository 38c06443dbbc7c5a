//! Inputs that look almost right: the corpus, changed a little, with lengths and checksums put in order again so that the
//! readers get past them. Everything follows from the seed.

use std::io::{Read, Write};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};

/// SplitMix64.
pub struct Dice(pub u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `most`, which is above 0.
    pub fn below(&mut self, most: usize) -> usize {
        (self.next() % most as u64) as usize
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// Numbers at which arithmetic and lengths go wrong.
const NUMBERS: [u64; 14] =
    [0, 1, 2, 7, 127, 255, 256, 65_535, 1 << 20, (1 << 31) - 1, 1 << 32, i64::MAX as u64, 1 << 63, u64::MAX];

/// Pieces of the text formats.
const WORDS: [&str; 34] = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "\n",
    "=",
    ".",
    "-",
    "null",
    "true",
    "nan",
    "inf",
    "1e308",
    "1e-320",
    "-1",
    "0.5",
    "\"step\":",
    "\"schema\":",
    "\"dense\":",
    "\"tile\":0",
    "\"kind\":\"epoch\"",
    "\"data_offsets\":[",
    "\"shape\":[",
    "\"F32\"",
    "epochs = ",
    "multiplier = ",
    "kind = ",
    "[death_rate]",
    "a.a.a.a.a.a.a.a.a.a",
    "\u{fffd}\u{10ffff}",
    "|",
];

/// The next input of a target.
pub fn input(target: &str, corpus: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let seed = dice.pick(corpus);
    let text = ["config", "tuning", "logs", "maps", "sweep"].contains(&target);
    match target {
        "archive" if !dice.one_in(8) => archive(seed, corpus, dice),
        "checkpoint" if !dice.one_in(8) => checkpoint(seed, corpus, dice),
        "image" if !dice.one_in(8) => png(bytes(seed, corpus, dice, false)),
        _ => bytes(seed, corpus, dice, text),
    }
}

/// One to six changes; now and then a piece is repeated up to a megabyte, to see what memory it costs.
fn bytes(seed: &[u8], corpus: &[Vec<u8>], dice: &mut Dice, text: bool) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=dice.below(6) {
        let at = dice.below(bytes.len() + 1);
        let until = (at + 1 + dice.below(16)).min(bytes.len());
        match dice.below(if text { 12 } else { 9 }) {
            0 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            1 if at < bytes.len() => bytes[at] = dice.below(256) as u8,
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..until)),
            4 => {
                let piece = bytes[at..until].to_vec();
                bytes.splice(at..at, piece);
            }
            5 => {
                let number = dice.pick(&NUMBERS).to_le_bytes();
                let width = *dice.pick(&[1, 2, 4, 8]);
                let end = (at + width).min(bytes.len());
                bytes.splice(at..end, number[..width].iter().copied());
            }
            6 => {
                let number = dice.pick(&NUMBERS).to_string();
                bytes.splice(at..at, number.into_bytes());
            }
            7 => {
                let other = dice.pick(corpus);
                let from = dice.below(other.len());
                let piece = other[from..(from + dice.below(64)).min(other.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            8 if dice.one_in(200) => {
                let piece = bytes[at..until].to_vec();
                let times = (1 << dice.below(21)) / piece.len().max(1);
                bytes.splice(at..at, piece.repeat(times));
            }
            9 if dice.one_in(100) => {
                let word = dice.pick(&WORDS).repeat(1 << dice.below(16));
                bytes.splice(at..at, word.into_bytes());
            }
            _ => {
                let word = dice.pick(&WORDS).as_bytes().to_vec();
                bytes.splice(at..at, word);
            }
        }
    }
    bytes
}

/// A tar with changes in a header or anywhere, its checksums right, packed again.
fn archive(seed: &[u8], corpus: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut tar = Vec::new();
    GzDecoder::new(seed).read_to_end(&mut tar).unwrap();
    let headers: Vec<usize> = (0..tar.len() / 512).map(|i| 512 * i).filter(|&at| is_header(&tar[at..])).collect();
    for _ in 0..=dice.below(4) {
        let header = *dice.pick(&headers);
        match dice.below(5) {
            0 => tar[header + 156] = *dice.pick(b"01234567KLSxgAD\0"),
            1 => {
                let size = format!("{:011o}\0", dice.pick(&NUMBERS) & 0x1_ffff_ffff);
                tar[header + 124..header + 136].copy_from_slice(size.as_bytes());
            }
            2 => {
                let number = dice.pick(&NUMBERS).to_be_bytes();
                tar[header + 124] = 0x80;
                tar[header + 128..header + 136].copy_from_slice(&number);
            }
            3 => {
                let name =
                    *dice.pick(&["../train.bin", "train.bin", "/", "..", "data_batch_9.bin", "x/batches.meta.txt", ""]);
                tar[header..header + 100].fill(0);
                tar[header..header + name.len()].copy_from_slice(name.as_bytes());
            }
            _ => tar[header + dice.below(512)] = dice.below(256) as u8,
        }
    }
    if dice.one_in(2) {
        tar = bytes(&tar, corpus, dice, false);
    }
    for at in headers {
        let Some(header) = tar.get_mut(at..at + 512) else { continue };
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::new(1));
    packed.write_all(&tar).unwrap();
    packed.finish().unwrap()
}

fn is_header(block: &[u8]) -> bool {
    block.get(257..262) == Some(b"ustar")
}

/// A checkpoint with changes in its header or its data, and the header's length right.
fn checkpoint(seed: &[u8], corpus: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let length = u64::from_le_bytes(seed[..8].try_into().unwrap()) as usize;
    let (mut header, mut data) = (seed[8..8 + length].to_vec(), seed[8 + length..].to_vec());
    match dice.below(4) {
        0 => data = bytes(&data, corpus, dice, false),
        1 => {
            let at = dice.below(data.len());
            data[at] ^= 1 << dice.below(8);
        }
        _ => header = bytes(&header, &[seed[8..8 + length].to_vec()], dice, true),
    }
    [&(header.len() as u64).to_le_bytes()[..], &header, &data].concat()
}

/// The CRCs of a PNG's chunks put right, as far as they can be followed.
fn png(mut bytes: Vec<u8>) -> Vec<u8> {
    let mut at = 8;
    while let Some(length) = bytes.get(at..at + 4) {
        let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
        let Some(chunk) = bytes.get(at + 4..at + 8 + length) else { break };
        let mut crc = flate2::Crc::new();
        crc.update(chunk);
        let end = at + 8 + length;
        if let Some(place) = bytes.get_mut(end..end + 4) {
            place.copy_from_slice(&crc.sum().to_be_bytes());
        }
        at = end + 4;
    }
    bytes
}
