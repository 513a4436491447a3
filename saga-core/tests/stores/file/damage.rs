//! What a crash, another program or a full disk does to the files.

use super::*;
use crate::child::again;
#[cfg(unix)]
use crate::child::{FULL, acknowledged_until_full};

/// Two logs of three writes each; where each write of `a` ends.
async fn written(place: &Place) -> Vec<u64> {
    let store = place.open();
    create(&store, &["a", "b"]).await;
    let mut ends = vec![fs::metadata(place.log("a")).unwrap().len()];
    for seq in [2, 4] {
        for name in ["a", "b"] {
            let mut two = append(name, seq, b"first");
            two.entries.extend(append(name, seq + 1, b"second").entries);
            store.append(two).await.unwrap();
        }
        ends.push(fs::metadata(place.log("a")).unwrap().len());
    }
    ends
}

#[tokio::test]
async fn a_torn_write_is_cut_off_and_the_saga_goes_on() {
    let place = Place::new();
    let ends = written(&place).await;
    let whole = fs::read(place.log("a")).unwrap();
    let lines: Vec<u64> =
        (1u64..).zip(&whole).filter(|(_, b)| **b == b'\n').map(|(end, _)| end).collect();
    // Around the end of each line after the first write: a batch can be torn at any entry.
    let cuts = lines.iter().flat_map(|end| [end - 1, *end, end + 1]);
    for cut in cuts.filter(|cut| (ends[0]..=ends[2]).contains(cut)) {
        fs::write(place.log("a"), &whole[..usize::try_from(cut).unwrap()]).unwrap();
        let writes = ends.iter().filter(|end| **end <= cut).count();
        let store = place.open();
        let expected = writes * 2 - 1;
        assert_eq!(entries(&store, "a").await, expected, "cut at {cut}");
        assert_eq!(fs::metadata(place.log("a")).unwrap().len(), ends[writes - 1]);
        let seq = u64::try_from(expected).unwrap() + 1;
        store.append(append("a", seq, b"on")).await.unwrap();
        drop(store);
        assert_eq!(entries(&place.open(), "a").await, expected + 1, "cut at {cut}");
    }
    // What a file system may leave where data was not written yet.
    fs::write(place.log("a"), [&whole[..], &[0; 5_000], b"\n\xff\n"].concat()).unwrap();
    assert_eq!(entries(&place.open(), "a").await, 5);
    assert_eq!(fs::metadata(place.log("a")).unwrap().len(), ends[2]);
}

/// A power failure may lose any sectors of a write that was not synced yet, and keep the others: zeros are in their place.
#[tokio::test]
async fn a_write_that_has_lost_sectors_is_cut_off_and_the_saga_goes_on() {
    let place = Place::new();
    let mut ends = written(&place).await;
    // large enough for several sectors
    let store = place.open();
    let mut large = append("a", 6, &[b'x'; 700]);
    large.entries.extend(append("a", 7, &[b'y'; 700]).entries);
    let (params, dag) = (Payload::from(&[b'p'; 700][..]), Payload::from(&[b'd'; 700][..]));
    let definition = NewDefinition { fingerprint: "f2".into(), params, dag };
    large.change.definition = Some(Box::new(definition));
    store.append(large).await.unwrap();
    drop(store);
    ends.push(fs::metadata(place.log("a")).unwrap().len());
    let whole = fs::read(place.log("a")).unwrap();
    let before = usize::try_from(ends[2]).unwrap();
    let sectors = before / 512..=whole.len() / 512;
    for lost in sectors.clone() {
        let mut bytes = whole.clone();
        let sector = before.max(lost * 512)..whole.len().min((lost + 1) * 512);
        bytes[sector].fill(0);
        fs::write(place.log("a"), &bytes).unwrap();
        let store = place.open();
        assert_eq!(entries(&store, "a").await, 5, "sector {lost} of {sectors:?}");
        assert_eq!(fs::metadata(place.log("a")).unwrap().len(), ends[2]);
        let record = store.load(&id("a")).await.unwrap().unwrap().record;
        assert_eq!((&*record.fingerprint, record.params.as_bytes()), ("f1", &b"{}"[..]));
        store.append(append("a", 6, b"on")).await.unwrap();
        drop(store);
        assert_eq!(entries(&place.open(), "a").await, 6, "sector {lost} of {sectors:?}");
    }
    // A later write began when this one was durable, so its sectors cannot have been lost like that.
    fs::write(place.log("a"), &whole[..before]).unwrap();
    let first = usize::try_from(ends[1]).unwrap();
    let mut bytes = whole;
    bytes[first + 60..first + 100].fill(0);
    fs::write(place.log("a"), &bytes).unwrap();
    let damaged = place.open().load(&id("a")).await.unwrap_err();
    assert!(matches!(damaged, StoreError::Corrupt { seq: 4, .. }), "{damaged}");
}

#[tokio::test]
async fn a_damaged_middle_is_an_error_and_the_others_go_on() {
    let place = Place::new();
    let ends = written(&place).await;
    let mut bytes = fs::read(place.log("a")).unwrap();
    bytes[usize::try_from(ends[0]).unwrap() + 40] ^= 4;
    fs::write(place.log("a"), &bytes).unwrap();

    let store = place.open();
    let corrupt =
        StoreError::Corrupt { saga: id("a"), seq: 2, why: "its line is damaged".to_string() };
    assert_eq!(store.load(&id("a")).await.unwrap_err(), corrupt);
    assert_eq!(store.append(append("a", 6, b"")).await.unwrap_err(), corrupt);
    assert_eq!(entries(&store, "b").await, 5);
    store.append(append("b", 6, b"on")).await.unwrap();

    // It can be claimed, so that whoever asks for it is told what is wrong; the file stays.
    let two = WorkerId::from("two");
    let claimed = store.claim(&two, &["f1".to_string()], 10).await.unwrap();
    assert_eq!(claimed.len(), 2);
    assert_eq!(store.take(&two, &id("a")).await.unwrap().unwrap().epoch, 3);
    store.release(&two).await.unwrap();
    assert_eq!(fs::read(place.log("a")).unwrap(), bytes);
    assert_eq!(FileStore::attach(&place.path).unwrap().load(&id("a")).await.unwrap_err(), corrupt);

    assert_eq!(store.delete(&id("a")).await, Ok(true));
    create(&store, &["a"]).await;
}

#[tokio::test]
async fn a_log_without_a_readable_record_is_an_error_by_its_id() {
    let place = Place::new();
    written(&place).await;
    let bytes = fs::read(place.log("a")).unwrap();
    let first_line = bytes.iter().position(|b| *b == b'\n').unwrap();
    let broken: [(Vec<u8>, &str); 4] = [
        (Vec::new(), "its first line is damaged"),
        (bytes[..first_line].to_vec(), "its first line is damaged"),
        (bytes[..=first_line].to_vec(), "its record is missing"),
        (fs::read(place.log("b")).unwrap(), "its file contains saga b"),
    ];
    for (bytes, why) in broken {
        fs::write(place.log("a"), &bytes).unwrap();
        let store = place.open();
        let corrupt = StoreError::Corrupt { saga: id("a"), seq: 0, why: why.to_string() };
        assert_eq!(store.load(&id("a")).await.unwrap_err(), corrupt);
        assert_eq!(store.create(new_saga("a")).await.unwrap_err(), corrupt);
        assert_eq!(store.take(&WorkerId::from("two"), &id("a")).await.unwrap_err(), corrupt);
        assert_eq!(store.list(ListFilter::default()).await.unwrap().len(), 1);
        assert_eq!(entries(&store, "b").await, 5);
    }
    let store = place.open();
    assert_eq!(store.delete(&id("a")).await, Ok(true));
    create(&store, &["a"]).await;
}

#[tokio::test]
async fn a_log_changed_by_another_program_refuses_appends() {
    let place = Place::new();
    written(&place).await;
    let store = place.open();
    let mut bytes = fs::read(place.log("a")).unwrap();
    bytes.extend_from_slice(b"a note\n");
    fs::write(place.log("a"), &bytes).unwrap();
    for _ in 0..2 {
        let e = store.append(append("a", 6, b"")).await.unwrap_err().to_string();
        assert!(
            e.contains("saga a: its log is corrupt at entry 6: another program has changed"),
            "{e}"
        );
    }
    assert_eq!(fs::read(place.log("a")).unwrap(), bytes);
    let claimed = store.claim(&WorkerId::from("one"), &["f1".to_string()], 10).await.unwrap();
    assert_eq!(claimed.len(), 0, "its own already");
    store.append(append("b", 6, b"on")).await.unwrap();
    fs::remove_file(place.log("b")).unwrap();
    let e = store.append(append("b", 7, b"")).await.unwrap_err().to_string();
    assert!(e.contains("its file cannot be found"), "{e}");
    drop(store);

    // Of what follows the last whole write nobody was told, so it goes.
    create(&place.open(), &["b"]).await;
    let store = place.open();
    fs::write(place.log("b"), [&fs::read(place.log("b")).unwrap()[..], b"x"].concat()).unwrap();
    let claimed = store.claim(&WorkerId::from("two"), &["f1".to_string()], 10).await.unwrap();
    assert_eq!(claimed.len(), 2, "one bad log stops no other");
    assert_eq!(entries(&store, "a").await, 5);
}

#[tokio::test]
async fn files_left_unfinished_by_a_crash_are_removed() {
    let place = Place::new();
    written(&place).await;
    let leftover = place.path.join("tmp-saga-c.jsonl-77");
    fs::copy(place.log("a"), &leftover).unwrap();
    let store = place.open();
    assert!(!leftover.exists());
    assert_eq!(store.list(ListFilter::default()).await.unwrap().len(), 2);

    // A worker that died before it had marked its new directory.
    let young = Place::new();
    fs::create_dir(&young.path).unwrap();
    fs::write(young.path.join("lock"), "").unwrap();
    fs::create_dir(young.path.join("commands")).unwrap();
    fs::write(young.path.join("tmp-saga-store.json-77"), "{").unwrap();
    create(&young.open(), &["a"]).await;
    assert_eq!(young.files("").len(), 5);
}

/// The other half of [`a_failed_write_stops_all_further_writes`], in a process that cannot write
/// large files.
#[cfg(unix)]
async fn run_out_of_space(path: std::ffi::OsString) {
    let store = FileStore::open(path).unwrap();
    create(&store, &["a", "b"]).await;
    let mut seq = 2;
    let e = loop {
        match store.append(append("a", seq, &[b'x'; 50_000])).await {
            Ok(()) => seq += 1,
            Err(e) => break e.to_string(),
        }
        assert!(seq < 100, "the limit has no effect");
    };
    assert!(e.contains("cannot write the log of saga a"), "{e}");
    let e = store.append(append("b", 2, b"small")).await.unwrap_err().to_string();
    assert!(e.contains("an earlier write failed") && e.contains("open the store again"), "{e}");
    let acknowledged = usize::try_from(seq - 1).unwrap();
    assert!(acknowledged > 1);
    assert_eq!(entries(&store, "a").await, acknowledged, "reading goes on");
    println!("acknowledged={acknowledged}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_failed_write_stops_all_further_writes() {
    if let Some(path) = std::env::var_os(FULL) {
        return run_out_of_space(path).await;
    }
    let place = Place::new();
    let test = "a_failed_write_stops_all_further_writes";
    let acknowledged = acknowledged_until_full(module_path!(), test, &place.path);
    let store = place.open();
    assert_eq!(entries(&store, "a").await, acknowledged);
    assert_eq!(store.append(append("b", 2, b"small")).await, Ok(()));
}

/// The child of [`acknowledged_appends_survive_a_kill`]: appends until it is killed.
async fn append_for_ever(path: std::ffi::OsString) {
    use std::io::Write;
    let store = FileStore::open(path).unwrap();
    if store.load(&id("a")).await.unwrap().is_none() {
        create(&store, &["a"]).await;
    }
    let first = u64::try_from(entries(&store, "a").await).unwrap() + 1;
    for seq in (first..).step_by(2) {
        let mut two = append("a", seq, &[b'x'; 3_000]);
        two.entries.extend(append("a", seq + 1, &[0xff; 3_000]).entries);
        store.append(two).await.unwrap();
        println!("\nacknowledged={}", seq + 1);
        std::io::stdout().flush().unwrap();
    }
}

#[tokio::test]
async fn acknowledged_appends_survive_a_kill() {
    use std::io::{BufRead, BufReader};
    if let Some(path) = std::env::var_os("SAGA_TEST_APPEND_FOR_EVER") {
        return append_for_ever(path).await;
    }
    let place = Place::new();
    let mut acknowledged = 0;
    for lines in [1, 2, 5, 17, 40, 3] {
        let mut child = again(module_path!(), "acknowledged_appends_survive_a_kill")
            .env("SAGA_TEST_APPEND_FOR_EVER", &place.path)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut told = output.lines().filter_map(|line| {
            line.unwrap().strip_prefix("acknowledged=").map(|n| n.parse::<usize>().unwrap())
        });
        acknowledged = told.nth(lines - 1).unwrap();
        child.kill().unwrap();
        acknowledged = told.last().unwrap_or(acknowledged);
        child.wait().unwrap();

        let store = place.open();
        let found = entries(&store, "a").await;
        assert!(found == acknowledged || found == acknowledged + 2, "{found} of {acknowledged}");
        let next = u64::try_from(found).unwrap() + 1;
        store.append(append("a", next, b"on")).await.unwrap();
    }
    assert!(acknowledged > 100);
}

/// Unless a directory is synced, a power failure may keep a name that came later and lose one that came before.
#[tokio::test]
async fn a_store_whose_directories_of_requests_are_gone_opens_and_has_them_again() {
    let place = Place::new();
    drop(place.open());
    for name in ["commands", "answers"] {
        fs::remove_dir(place.path.join(name)).unwrap();
    }
    let store = place.open();
    create(&store, &["a"]).await;
    store.request(request("a")).await.unwrap();
}
