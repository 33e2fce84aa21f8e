use super::*;
use std::fs::read_to_string;
use std::os::unix::fs::{PermissionsExt, symlink};

/// A file of at most 20 bytes, and a clock that stands at the present: files carry the system's times.
fn file(dir: &Path, keep: u32, max_days: u32) -> (RotatedFile, Clock) {
    let clock = Clock::manual(SystemTime::now().duration_since(UNIX_EPOCH).unwrap());
    let config = LogFile { path: dir.join("log"), max_bytes: 20, keep, max_days };
    (RotatedFile::open(config, clock.clone(), Arc::default()).unwrap(), clock)
}

fn write(file: &mut RotatedFile, text: &str) -> u64 {
    let outcome = file.write(text.as_bytes());
    assert!(outcome.error.is_none(), "{:?}", outcome.error);
    outcome.lines
}

/// Every file's name and content.
fn files(dir: &Path) -> Vec<(String, String)> {
    let name = |item: io::Result<std::fs::DirEntry>| item.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = std::fs::read_dir(dir).unwrap().map(name).collect();
    names.sort();
    names.into_iter().map(|n| (n.clone(), read_to_string(dir.join(n)).unwrap())).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

#[test]
fn it_is_rotated_by_size_and_only_so_many_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (mut file, _) = file(dir.path(), 2, 30);
    for n in 0..4 {
        assert_eq!(write(&mut file, &format!("a line of {n}\n")), 1);
    }
    let expected = [("log", "a line of 3\n"), ("log.1", "a line of 2\n"), ("log.2", "a line of 1\n")];
    assert_eq!(files(dir.path()), pairs(&expected));
    let mode = dir.path().join("log").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

fn removed_early(file: &RotatedFile) -> u64 {
    file.removed_early.load(Ordering::Relaxed)
}

#[test]
fn files_that_go_for_lack_of_room_are_counted() {
    for (keep, lines, early) in [(2, 3, 0), (2, 4, 1), (2, 6, 3), (0, 3, 2)] {
        let dir = tempfile::tempdir().unwrap();
        let (mut file, _) = file(dir.path(), keep, 30);
        (0..lines).for_each(|n| assert_eq!(write(&mut file, &format!("a line of {n}\n")), 1));
        assert_eq!(removed_early(&file), early, "{lines} files, {keep} kept");
    }
}

#[test]
fn files_that_go_in_their_time_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let (mut file, clock) = file(dir.path(), 2, 4);
    for n in 0..8 {
        write(&mut file, &format!("{n}\n"));
        clock.advance(DAY);
        file.tend();
    }
    assert!(files(dir.path()).len() <= 3);
    assert_eq!(removed_early(&file), 0);
}

#[test]
fn with_none_kept_the_file_begins_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (mut file, _) = file(dir.path(), 0, 30);
    write(&mut file, "0123456789\n");
    write(&mut file, "abcdefghij\n");
    assert_eq!(files(dir.path()), pairs(&[("log", "abcdefghij\n")]));
}

#[test]
fn a_start_goes_on_in_the_same_file_and_drops_what_is_beyond_the_number() {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in
        [("log", "old\n"), ("log.1", "x"), ("log.2", "x"), ("log.7", "x"), ("log.gz", "x"), ("blog.9", "x")]
    {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let (mut file, _) = file(dir.path(), 1, 30);
    write(&mut file, "new\n");
    let expected = [("blog.9", "x"), ("log", "old\nnew\n"), ("log.1", "x"), ("log.gz", "x")];
    assert_eq!(files(dir.path()), pairs(&expected));
}

#[test]
fn no_line_outlives_its_days_even_in_a_quiet_log() {
    let dir = tempfile::tempdir().unwrap();
    let (mut file, clock) = file(dir.path(), 1, 3);
    write(&mut file, "old\n");
    clock.advance(DAY);
    file.tend();
    assert_eq!(files(dir.path()), pairs(&[("log.1", "old\n")]), "rotated after its share of three days");
    // The system wrote the file a little later than this clock says.
    clock.advance(DAY + Duration::from_secs(60));
    file.tend();
    assert_eq!(files(dir.path()), pairs(&[]));
    write(&mut file, "new\n");
    assert_eq!(files(dir.path()), pairs(&[("log", "new\n")]));
}

#[test]
fn a_file_deleted_moved_or_cut_by_others_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    let (mut file, _) = file(dir.path(), 2, 30);
    write(&mut file, "one\n");
    std::fs::rename(dir.path().join("log"), dir.path().join("moved")).unwrap();
    write(&mut file, "two\n");
    assert_eq!(files(dir.path()), pairs(&[("log", "two\n"), ("moved", "one\n")]));
    std::fs::remove_file(dir.path().join("log")).unwrap();
    write(&mut file, "three\n");
    File::create(dir.path().join("log")).unwrap();
    write(&mut file, "four and many more\n");
    assert_eq!(files(dir.path()), pairs(&[("log", "four and many more\n"), ("moved", "one\n")]));
}

#[test]
fn a_full_disk_is_an_error_and_writing_resumes() {
    let dir = tempfile::tempdir().unwrap();
    symlink("/dev/full", dir.path().join("log")).unwrap();
    let (mut file, _) = file(dir.path(), 2, 30);
    for _ in 0..2 {
        let outcome = file.write(b"lost\n");
        assert_eq!((outcome.lines, outcome.error.map(|e| e.kind())), (0, Some(ErrorKind::StorageFull)));
    }
    assert!(Path::new("/dev/full").exists(), "a device is never rotated");
    std::fs::remove_file(dir.path().join("log")).unwrap();
    assert_eq!(write(&mut file, "kept\n"), 1);
    assert_eq!(files(dir.path()), pairs(&[("log", "kept\n")]));
}

#[test]
fn a_directory_in_its_place_is_overcome() {
    let dir = tempfile::tempdir().unwrap();
    let (mut file, _) = file(dir.path(), 2, 30);
    std::fs::remove_file(dir.path().join("log")).unwrap();
    std::fs::create_dir(dir.path().join("log")).unwrap();
    assert!(file.write(b"lost\n").error.is_some());
    std::fs::remove_dir(dir.path().join("log")).unwrap();
    assert_eq!(write(&mut file, "kept\n"), 1);
}

#[test]
fn half_a_line_left_by_a_killed_process_does_not_spoil_the_next() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("log"), "one\nha").unwrap();
    let (mut half, _) = file(dir.path(), 2, 30);
    assert_eq!(write(&mut half, "two\n"), 1);
    assert_eq!(files(dir.path()), pairs(&[("log", "one\nha\ntwo\n")]));
    drop(half);
    let (mut whole, _) = file(dir.path(), 2, 30);
    write(&mut whole, "three\n");
    assert_eq!(files(dir.path())[0].1, "one\nha\ntwo\nthree\n");
}
