//! A disk that is full: what is asked fails and says why, what was there is still there, and it works once there is room.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use crate::place::Place;
use crate::shop::Shop;

/// A file system of a few megabytes, mounted on a directory.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    /// None where this process may not mount one.
    fn mount(at: &'a Path) -> Option<Self> {
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(at).output();
        mount.is_ok_and(|output| output.status.success()).then_some(Self(at))
    }

    /// Leaves no byte free.
    fn fill(&self) {
        let mut ballast = File::create(self.0.join("ballast")).unwrap();
        for size in [65_536, 4_096, 1] {
            while ballast.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn make_room(&self) {
        std::fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        // lazily: what is still open goes on
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[test]
fn on_a_full_disk_a_request_fails_and_says_why_and_nothing_is_lost() {
    for place in [Place::sqlite(), Place::Files(tempfile::tempdir().unwrap())] {
        let (Place::Sqlite(directory) | Place::Files(directory)) = &place else { continue };
        let Some(disk) = SmallDisk::mount(directory.path()) else {
            println!("skipped: this process may not mount a file system");
            return;
        };
        println!("on {}", place.url());
        let shop = Arc::new(Shop::default());
        let worker = place.worker(&shop);
        worker.order("x", "wait");
        for _ in 0..2 {
            disk.fill();
            let said = place.saga("pause x --wait 1s");
            let text = format!("{}{}", said.out, said.err);
            assert_eq!(said.code, 1, "{text}");
            assert!(text.contains("full") || text.contains("No space left"), "{text}");
            // what is there can be read
            assert!(place.saga("why x").ok().contains("has been running"));
            assert!(place.saga("ls").ok().contains("Order"));
            let doctor = place.saga("doctor --min-free 1").expect(8);
            assert!(doctor.contains("0 MiB are free for the store; make room"), "{doctor}");
            disk.make_room();
            assert_eq!(place.saga("audit x").ok(), "nobody has asked anything of it\n");
        }
        assert_eq!(place.saga("pause x").ok(), "x: pause is in its log and takes effect\n");
        // without a worker, whose files are open
        worker.stop();
        disk.fill();
        let said = place.saga("resume x --wait 1s");
        let text = format!("{}{}", said.out, said.err);
        assert_eq!(said.code, 1, "{text}");
        assert!(text.contains("full") || text.contains("No space left"), "{text}");
        disk.make_room();
        place.saga("resume x --wait 0s").expect(5);
        let worker = place.worker(&shop);
        worker.until("x", "resumed");
        worker.stop();
        drop(disk);
    }
}
