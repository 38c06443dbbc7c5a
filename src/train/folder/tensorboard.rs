//! A run's metrics and exploration as TensorBoard event files: TFRecords of `Event` messages.
//!
//! The few fields needed are encoded here: `tensorflow/core/util/event.proto`, `framework/summary.proto`, and the record format
//! of `lib/io/record_writer.h` (length, masked CRC-32C of it, data, masked CRC-32C of that).

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use web_time::{SystemTime, UNIX_EPOCH};

use crate::train::run_folder::{ExplorationLine, MetricLine};

/// An event file that is being written.
pub struct EventFile {
    file: File,
}

impl EventFile {
    /// A new file in `folder`, for a run that continues after `step` steps: TensorBoard drops the later steps of older files.
    pub fn create(folder: &Path, step: usize) -> io::Result<Self> {
        let path = folder.join(format!("events.out.tfevents.{:.0}.{step}.itop", seconds()));
        let mut file = Self { file: File::create_new(path)? };
        file.record(&[text(3, "brain.Event:2")].concat())?;
        // session_log { status: START }
        file.record(&[varint(2, step as u64 + 1), message(7, &varint(1, 1))].concat())?;
        Ok(file)
    }

    /// What `metrics.jsonl` gets.
    pub fn metric(&mut self, line: &MetricLine) -> io::Result<()> {
        let (step, values) = match *line {
            MetricLine::Step { step, loss, accuracy, lr, images_per_second, .. } => (
                step,
                vec![
                    ("train/loss", Some(loss)),
                    ("train/accuracy", Some(accuracy)),
                    ("train/lr", Some(lr)),
                    ("train/images_per_second", Some(images_per_second)),
                ],
            ),
            MetricLine::Epoch { step, val_loss, val_accuracy, itop_rate, .. } => (
                step,
                vec![
                    ("val/loss", val_loss),
                    ("val/accuracy", val_accuracy),
                    ("exploration/itop_rate", Some(itop_rate)),
                ],
            ),
        };
        let values = values.into_iter().filter_map(|(tag, value)| Some(scalar(tag, value?)));
        self.event(step, values.collect())
    }

    /// What `exploration.jsonl` gets, and the ages of each layer's weights as a histogram.
    pub fn exploration(&mut self, line: &ExplorationLine) -> io::Result<()> {
        let mut values = vec![
            scalar("exploration/itop_rate", line.itop_rate),
            scalar("exploration/reliable_itop_rate", line.reliable_itop_rate),
            scalar("exploration/death_rate", line.prune_rate),
        ];
        for layer in &line.layers {
            let share = layer.explored as f64 / layer.prunable as f64;
            values.push(scalar(&format!("itop_rate/{}", layer.name), share));
            values.push(scalar(&format!("churn/{}", layer.name), layer.churn));
            values.push(scalar(&format!("dead_outputs/{}", layer.name), layer.dead_outputs as f64));
            values.push(histogram(&format!("ages/{}", layer.name), &layer.ages));
        }
        self.event(line.step, values)
    }

    fn event(&mut self, step: usize, values: Vec<Vec<u8>>) -> io::Result<()> {
        let summary: Vec<u8> = values.iter().flat_map(|value| message(1, value)).collect();
        self.record(&[varint(2, step as u64), message(5, &summary)].concat())
    }

    /// Appends one `Event` of now with `fields`.
    fn record(&mut self, fields: &[u8]) -> io::Result<()> {
        let data = [&double(1, seconds())[..], fields].concat();
        let length = (data.len() as u64).to_le_bytes();
        let record = [&length[..], &masked(&length), &data, &masked(&data)].concat();
        self.file.write_all(&record)
    }
}

fn seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

fn masked(data: &[u8]) -> [u8; 4] {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

/// `Summary.Value { tag, simple_value }`
fn scalar(tag: &str, value: f64) -> Vec<u8> {
    [text(1, tag), key(2, 5), (value as f32).to_le_bytes().to_vec()].concat()
}

/// `Summary.Value { tag, histo }` of counts in bins of powers of two: 0, 1, 2–3, 4–7, …
fn histogram(tag: &str, counts: &[u32]) -> Vec<u8> {
    let bins = || counts.iter().enumerate().map(|(bin, &count)| (f64::from(1u32 << bin), f64::from(count)));
    let packed =
        |field, values: Vec<f64>| message(field, &values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>());
    // A bin's ages lie below its limit; its middle stands for them in the sums.
    let middle = |limit: f64| ((limit / 2.0).floor() + limit - 1.0) / 2.0;
    let sum = |of: &dyn Fn(f64) -> f64| bins().map(|(limit, count)| count * of(middle(limit))).sum::<f64>();
    let used = || bins().filter(|(_, count)| *count > 0.0).map(|(limit, _)| limit);
    let histo = [
        double(1, used().next().map_or(0.0, |limit| (limit / 2.0).floor())),
        double(2, used().next_back().map_or(0.0, |limit| limit - 1.0)),
        double(3, bins().map(|(_, count)| count).sum()),
        double(4, sum(&|age| age)),
        double(5, sum(&|age| age * age)),
        packed(6, bins().map(|(limit, _)| limit).collect()),
        packed(7, bins().map(|(_, count)| count).collect()),
    ];
    [text(1, tag), message(5, &histo.concat())].concat()
}

/// A field's number and wire type.
fn key(field: u32, wire: u32) -> Vec<u8> {
    vec![(field << 3 | wire) as u8]
}

fn varint(field: u32, mut value: u64) -> Vec<u8> {
    let mut bytes = key(field, 0);
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn double(field: u32, value: f64) -> Vec<u8> {
    [key(field, 1), value.to_le_bytes().to_vec()].concat()
}

fn message(field: u32, content: &[u8]) -> Vec<u8> {
    // The length is a varint without a key of its own.
    [key(field, 2), varint(0, content.len() as u64)[1..].to_vec(), content.to_vec()].concat()
}

fn text(field: u32, content: &str) -> Vec<u8> {
    message(field, content.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By `event.proto` (the whole file is read back with the real package by `scripts/test-tensorboard.sh`).
    #[test]
    fn records_follow_the_format() {
        let data = [double(1, 0.0), text(3, "brain.Event:2")].concat();
        assert_eq!(data, b"\x09\0\0\0\0\0\0\0\0\x1a\x0dbrain.Event:2");
        assert_eq!(varint(2, 300), [0x10, 0xac, 0x02]);
        // RFC 3720's CRC-32C of 32 zeros, masked.
        assert_eq!(masked(&[0; 32]), 0x8a91_36aau32.rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes());
    }

    #[test]
    fn a_histogram_keeps_its_counts() {
        let value = histogram("a", &[3, 0, 5, 0, 0, 0, 0, 1]);
        let counts = [3.0f64, 0.0, 5.0, 0.0, 0.0, 0.0, 0.0, 1.0].map(f64::to_le_bytes).concat();
        assert!(value.windows(counts.len()).any(|window| window == counts));
    }
}
