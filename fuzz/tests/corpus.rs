//! Runs the targets on the corpus and on a few new mutations of it, and checks that nothing panics.

use fuzz::{Mutator, Rng, TARGETS, corpus, run_one};

/// The number of new inputs for each target. The fuzzer itself runs for longer.
const FRESH: usize = 60;

#[test]
fn no_input_of_the_corpus_causes_a_failure() {
    for target in &TARGETS {
        let (directory, files) = corpus(target).unwrap();
        assert!(!files.is_empty(), "no corpus in {}", directory.display());
        for (path, input) in files {
            if let Err(why) = run_one(target, &input) {
                panic!("{} makes {} fail: {why}", path.display(), target.name);
            }
        }
    }
}

#[test]
fn no_new_input_causes_a_failure() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seed = now.as_nanos() as u64;
    println!("seed {seed}");
    let mut rng = Rng::new(seed);
    for target in &TARGETS {
        let files = corpus(target).unwrap().1;
        for _ in 0..FRESH {
            let (input, other) = (rng.pick(&files).unwrap(), rng.pick(&files).unwrap());
            let input = Mutator::new(&mut rng, target.sealed).mutate(&input.1, &other.1);
            if let Err(why) = run_one(target, &input) {
                let input = String::from_utf8_lossy(&input);
                panic!("seed {seed}: {input:?} makes {} fail: {why}", target.name);
            }
        }
    }
}

#[test]
fn a_panic_on_any_thread_is_a_failure() {
    let target = fuzz::Target {
        name: "panics",
        sealed: false,
        run: |input| match input {
            b"here" => panic!("here it is"),
            b"elsewhere" => {
                let _ = std::thread::spawn(|| panic!("there it is")).join();
                String::new()
            }
            _ => "fine".to_string(),
        },
    };
    assert_eq!(run_one(&target, b"").as_deref(), Ok("fine"));
    assert!(run_one(&target, b"here").unwrap_err().contains("here it is"));
    assert!(run_one(&target, b"elsewhere").unwrap_err().contains("there it is"));
    assert_eq!(run_one(&target, b"").as_deref(), Ok("fine"));
}
