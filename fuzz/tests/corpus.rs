//! Everything in the corpus is taken without a panic, and so is a little more, made of it.

use fuzz::{Mutator, Rng, TARGETS, corpus, run_one};

/// New inputs of each target: the fuzzer itself runs for longer.
const FRESH: usize = 60;

#[test]
fn the_corpus_breaks_nothing() {
    for target in &TARGETS {
        let (directory, files) = corpus(target).unwrap();
        assert!(!files.is_empty(), "no corpus in {}", directory.display());
        for (path, input) in files {
            if let Err(why) = run_one(target, &input) {
                panic!("{} broke {}: {why}", path.display(), target.name);
            }
        }
    }
}

#[test]
fn fresh_inputs_break_nothing() {
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
                panic!("seed {seed}: {input:?} broke {}: {why}", target.name);
            }
        }
    }
}

#[test]
fn a_panic_is_noticed_wherever_it_is() {
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
