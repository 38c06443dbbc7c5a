//! A server on the loopback that cuts, corrupts, slows and forgets.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::thread::JoinHandle;

use flate2::{Compression, write::GzEncoder};

use super::*;
use crate::data::cifar::tests::records;

/// What the server does with a request.
#[derive(Clone, Copy)]
enum Answer {
    Whole,
    /// So many bytes, then the end.
    Cut(usize),
    /// A byte here and there.
    Slow,
    /// Silence after so many bytes.
    Stall(usize),
    /// The first byte is another.
    Corrupt,
    /// All of it, whatever range was asked for.
    NoRanges,
    Status(u16),
}

/// The published archive in small.
fn packed() -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, labels) in [("train.bin", &[1, 2, 3][..]), ("test.bin", &[4])] {
        let bytes = records(2, labels);
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, format!("cifar-100-binary/{name}"), &bytes[..]).unwrap();
    }
    let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
    gzip.write_all(&tar.into_inner().unwrap()).unwrap();
    gzip.finish().unwrap()
}

/// Answers one request after the other, then goes; gives the ranges that were asked for.
fn serve(bytes: Vec<u8>, answers: Vec<Answer>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}/kriz/", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let mut asked = Vec::new();
        for answer in answers {
            let mut stream = listener.accept().unwrap().0;
            let head: Vec<String> =
                BufReader::new(&stream).lines().map(Result::unwrap).take_while(|l| !l.is_empty()).collect();
            let range =
                head.iter().find_map(|line| line.to_lowercase().strip_prefix("range: bytes=").map(str::to_string));
            let start = range.as_ref().map_or(0, |range| range.trim_end_matches('-').parse().unwrap());
            asked.push(range.unwrap_or_default());
            let start = if matches!(answer, Answer::NoRanges) { 0 } else { start };
            let mut body = bytes[start.min(bytes.len())..].to_vec();
            let status = match answer {
                Answer::Status(status) => format!("{status} Sorry"),
                _ if start >= bytes.len() => "416 Range Not Satisfiable".into(),
                _ if start > 0 => {
                    format!("206 Partial\r\nContent-Range: bytes {start}-{}/{}", bytes.len() - 1, bytes.len())
                }
                _ => "200 OK".into(),
            };
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let mut send = |bytes: &[u8]| stream.write_all(bytes).ok();
            send(head.as_bytes());
            match answer {
                Answer::Cut(count) => drop(send(&body[..count.min(body.len())])),
                Answer::Stall(count) => {
                    send(&body[..count.min(body.len())]);
                    // The connection stays open, and the next may come.
                    std::thread::spawn(move || (std::thread::sleep(Duration::from_millis(900)), stream));
                }
                Answer::Slow => body.chunks(1000).for_each(|piece| {
                    send(piece);
                    std::thread::sleep(Duration::from_millis(5));
                }),
                Answer::Corrupt => {
                    body[20] ^= 1;
                    send(&body);
                }
                Answer::Whole | Answer::NoRanges | Answer::Status(_) => drop(send(&body)),
            }
        }
        asked
    });
    (base, server)
}

/// A data set whose archive is [`packed`].
fn known_as_packed() -> Known {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), packed()).unwrap();
    let [md5, sha256] = hashes(file.path()).unwrap().map(|hash| &*hash.leak());
    let mut known = *known::named("cifar100").unwrap();
    (known.md5, known.sha256) = (md5, sha256);
    known
}

/// Fetches from a server that answers so, into `root`.
fn try_fetch(root: &Path, answers: Vec<Answer>) -> (Result<PathBuf, FetchError>, Vec<String>) {
    try_fetch_as(&known_as_packed(), root, answers)
}

fn try_fetch_as(known: &Known, root: &Path, answers: Vec<Answer>) -> (Result<PathBuf, FetchError>, Vec<String>) {
    // Only a server that falls silent is given up soon: a busy machine is slow too.
    let stalls = answers.iter().any(|answer| matches!(answer, Answer::Stall(_)));
    let silence = if stalls { Duration::from_millis(300) } else { SILENCE };
    let (base, server) = serve(packed(), answers);
    let mut last = (0, None);
    let done = fetch_into(known, &base, root, silence, &mut |at, total| last = (at, total));
    if done.is_ok() && last.0 > 0 {
        assert_eq!(Some(last.0), last.1, "the progress ends at the end");
    }
    (done, server.join().unwrap())
}

fn names(root: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_download_survives_cuts_silence_and_refusals() {
    use Answer::*;
    let place = tempfile::tempdir().unwrap();
    for (number, (answers, ranges)) in [
        (vec![Whole], vec![""]),
        (vec![Slow], vec![""]),
        (vec![Cut(5000), Cut(3000), Whole], vec!["", "5000-", "8000-"]),
        (vec![Stall(5000), Whole], vec!["", "5000-"]),
        (vec![Status(503), Cut(100), NoRanges], vec!["", "", "100-"]),
        (vec![Cut(100), Status(500), Whole], vec!["", "100-", "100-"]),
    ]
    .into_iter()
    .enumerate()
    {
        let root = place.path().join(number.to_string());
        let (done, asked) = try_fetch(&root, answers);
        let folder = done.unwrap();
        assert_eq!(asked, ranges, "case {number}");
        assert_eq!(names(&root), ["cifar-100-binary"], "nothing else stays");
        assert_eq!(load_path(&folder, 0.0).unwrap().train.labels, [1, 2, 3]);
    }
}

#[test]
fn a_corrupt_file_is_dropped_and_fetched_anew() {
    let place = tempfile::tempdir().unwrap();
    let (done, _) = try_fetch(place.path(), vec![Answer::Cut(50), Answer::Corrupt]);
    let message = done.unwrap_err().to_string();
    assert!(message.contains("MD5") && message.contains("instead of"), "{message}");
    assert!(names(place.path()).is_empty());
    try_fetch(place.path(), vec![Answer::Whole]).0.unwrap();
    // It is there now: nobody is asked.
    assert!(try_fetch(place.path(), vec![]).0.is_ok_and(|folder| folder.exists()));
}

/// MD5 can be forged: a file that only has that is not taken.
#[test]
fn both_hashes_count() {
    let place = tempfile::tempdir().unwrap();
    let mut known = known_as_packed();
    known.sha256 = known::named("cifar10").unwrap().sha256;
    let (done, _) = try_fetch_as(&known, place.path(), vec![Answer::Whole]);
    let message = done.unwrap_err().to_string();
    assert!(message.contains("SHA-256") && message.contains(known.sha256), "{message}");
    assert!(names(place.path()).is_empty());
    // "abc", FIPS 180-4 and RFC 1321.
    let file = place.path().join("abc");
    fs::write(&file, "abc").unwrap();
    let abc = hashes(&file).unwrap();
    assert!(abc[0].starts_with("900150983cd24fb0") && abc[1].starts_with("ba7816bf8f01cfea"), "{abc:?}");
}

#[test]
fn an_interrupted_download_is_gone_on_with() {
    let place = tempfile::tempdir().unwrap();
    let (done, _) = try_fetch(place.path(), vec![Answer::Cut(4000), Answer::Status(404)]);
    let message = done.unwrap_err().to_string();
    assert!(message.contains("404") && message.contains("By hand") && message.contains("MD5"), "{message}");
    assert_eq!(names(place.path()), ["cifar-100-binary.tar.gz.part"]);
    fs::create_dir(place.path().join("cifar-100-binary.tmp")).unwrap();
    let (done, asked) = try_fetch(place.path(), vec![Answer::Whole]);
    assert_eq!((done.is_ok(), asked), (true, vec!["4000-".to_string()]));
    assert_eq!(names(place.path()), ["cifar-100-binary"]);
}

#[test]
fn without_a_network_the_way_by_hand_is_told() {
    let place = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let known = known::named("cifar10").unwrap();
    let base = format!("http://127.0.0.1:{port}");
    let message = fetch_into(known, &base, place.path(), SILENCE, &mut |_, _| ()).unwrap_err().to_string();
    for words in ["cifar-10-binary.tar.gz", "By hand", known.md5, known.sha256] {
        assert!(message.contains(words), "{message}");
    }
    assert!(matches!(fetch("sample", HOME, &mut |_, _| ()), Err(FetchError::Unknown(_))));
}
