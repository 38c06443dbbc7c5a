//! Claims of run folders: who gets one, who loses it, what a crash leaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

fn take(run: &Path, stale: Duration) -> Option<Claim> {
    match Claim::take(run, stale, || {}).unwrap() {
        Taken::Mine(claim) => Some(claim),
        Taken::Busy(_) => None,
    }
}

fn write(run: &Path, attempt: usize, record: &Record) {
    fs::create_dir_all(run.join(FOLDER)).unwrap();
    fs::write(path(run, attempt), serde_json::to_vec(record).unwrap()).unwrap();
}

#[test]
fn many_ask_and_one_gets_it() {
    let place = tempfile::tempdir().unwrap();
    let (held, most, times) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    if let Some(claim) = take(place.path(), STALE) {
                        most.fetch_max(held.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        times.fetch_add(1, Ordering::SeqCst);
                        thread::yield_now();
                        held.fetch_sub(1, Ordering::SeqCst);
                        claim.end("done");
                    }
                }
            });
        }
    });
    assert_eq!(most.into_inner(), 1, "held by several at once");
    assert_eq!(last_attempt(place.path()).unwrap(), times.into_inner());
}

#[test]
fn a_folder_is_held_until_it_is_given_back() {
    let place = tempfile::tempdir().unwrap();
    let run = place.path();
    assert!(running(run).is_none());
    let claim = take(run, STALE).unwrap();
    assert!(take(run, Duration::ZERO).is_none() || !cfg!(any(target_os = "linux", windows)));
    assert!(running(run).unwrap().contains(&std::process::id().to_string()));
    claim.end("done");
    assert!(running(run).is_none());
    assert!(fs::read_to_string(path(run, 1)).unwrap().contains("done"));
    drop(take(run, STALE).unwrap());
    assert!(fs::read_to_string(path(run, 2)).unwrap().contains("given up"));
}

#[cfg(any(target_os = "linux", windows))]
#[test]
fn a_process_that_is_gone_holds_nothing() {
    let place = tempfile::tempdir().unwrap();
    let run = place.path();
    // On Linux this process number, but another start; on Windows a lock that nobody holds any more.
    let mut process = alive::give_sign(&path(run, 1)).unwrap().unwrap().process();
    process.started = process.started.map(|_| 1);
    write(run, 1, &Record { process, made: None, ended: None });
    assert!(running(run).is_none());
    assert!(take(run, STALE).is_some());
}

#[test]
fn a_silent_worker_elsewhere_is_watched_and_a_touching_one_is_left_alone() {
    let place = tempfile::tempdir().unwrap();
    let run = place.path();
    let process = alive::Process { scope: Some("elsewhere".into()), ..Default::default() };
    write(run, 1, &Record { process, made: None, ended: None });
    let file = OpenOptions::new().write(true).open(path(run, 1)).unwrap();
    let beat = thread::spawn(move || {
        thread::sleep(Duration::from_millis(300));
        // Whatever that machine's clock says.
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(99)).unwrap();
    });
    assert!(take(run, Duration::from_secs(5)).is_none());
    beat.join().unwrap();
    let start = Instant::now();
    assert!(take(run, Duration::from_millis(500)).is_some());
    assert!(start.elapsed() >= Duration::from_millis(500));
    // A file without content yet is somebody's too.
    fs::write(path(run, 3), "").unwrap();
    assert!(running(run).is_some());
}

#[cfg(target_os = "linux")]
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.join(FOLDER)).unwrap();
    fs::copy(path(from, 1), path(to, 1)).unwrap();
}

/// A run that trains can be copied, and the copy gone on with; moving it frees nothing.
#[cfg(target_os = "linux")]
#[test]
fn a_copy_of_a_claim_holds_nothing() {
    let place = tempfile::tempdir().unwrap();
    let [run, copied, moved] = ["run", "copy", "moved"].map(|name| place.path().join(name));
    let claim = take(&run, STALE).unwrap();
    copy(&run, &copied);
    assert!(running(&copied).is_none() && doubt(&copied).is_none());
    assert!(take(&copied, STALE).is_some());
    std::os::unix::fs::symlink(&run, place.path().join("link")).unwrap();
    assert!(running(&place.path().join("link")).is_some(), "another path to the same folder");
    fs::rename(&run, &moved).unwrap();
    assert!(running(&moved).is_some(), "its process may not have noticed yet");
    claim.end("done");
    assert!(running(&moved).is_none());
}

/// What cannot be read is somebody's until nobody is heard of; who waits is told what for.
#[test]
fn a_claim_that_cannot_be_read_is_named() {
    let place = tempfile::tempdir().unwrap();
    let run = place.path();
    assert!(doubt(run).is_none());
    fs::create_dir_all(run.join(FOLDER)).unwrap();
    for garbage in ["", "{", "\0\0\0\0", "[1]"] {
        fs::write(path(run, 1), garbage).unwrap();
        let why = doubt(run).unwrap();
        assert!(why.contains("1.json") && why.contains("is cut or was edited"), "{garbage:?}: {why}");
        assert!(running(run).is_some());
    }
    assert!(take(run, Duration::from_millis(300)).is_some());
}

/// Somebody took the folder over, moved it away, or put another one in its place.
#[test]
fn who_loses_the_folder_hears_of_it() {
    for what in ["taken over", "moved", "replaced"] {
        let place = tempfile::tempdir().unwrap();
        let run = place.path().join("run");
        let lost = Arc::new(AtomicUsize::new(0));
        let heard = lost.clone();
        let tell = move || {
            heard.fetch_add(1, Ordering::SeqCst);
        };
        let Taken::Mine(_claim) = Claim::take(&run, STALE, tell).unwrap() else { panic!("busy") };
        match what {
            "taken over" => fs::write(path(&run, 2), "").unwrap(),
            _ => fs::rename(&run, place.path().join("moved")).unwrap(),
        }
        if what == "replaced" {
            write(&run, 1, &Record { process: alive::Process::default(), made: None, ended: Some("done".into()) });
        }
        thread::sleep(HEARTBEAT + Duration::from_millis(500));
        assert_eq!(lost.load(Ordering::SeqCst), 1, "{what}");
    }
}
