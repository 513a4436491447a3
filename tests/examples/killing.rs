//! Kills a program at random moments until it has been killed often enough, then lets it finish.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub(crate) struct Killing {
    random: XorShift,
    /// How long a run takes that nobody kills.
    takes: Duration,
    pub(crate) kills: u32,
    pub(crate) lives: u32,
    /// False once the program may come to its end.
    pub(crate) goes_on: bool,
}

impl Killing {
    /// Runs the program once in peace, and gives what came of it.
    ///
    /// `CRASH_SEED` in the environment repeats the moments of a run, as far as the machine does.
    pub(crate) fn of(program: &mut Command) -> (Self, Output) {
        let seed = match std::env::var("CRASH_SEED") {
            Ok(seed) => seed.parse().unwrap(),
            Err(_) => SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64,
        };
        println!("CRASH_SEED={seed}");
        let began = Instant::now();
        let output = ended(program.output().unwrap());
        let (random, takes) = (XorShift(seed | 1), began.elapsed());
        (Self { random, takes, kills: 0, lives: 0, goes_on: true }, output)
    }

    /// Starts the program and kills it, again and again, until it was there at its end before the kill, or
    /// `more` says that it was killed often enough.
    pub(crate) fn life(
        &mut self,
        program: impl Fn() -> Command,
        mut more: impl FnMut(u32) -> bool,
    ) -> Output {
        self.lives += 1;
        loop {
            let mut child =
                program().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            if self.goes_on {
                std::thread::sleep(self.random.up_to(self.takes));
                child.kill().unwrap();
            }
            let output = child.wait_with_output().unwrap();
            if output.status.code().is_some() {
                return ended(output);
            }
            // only our SIGKILL: an abort of its own would be a failure
            assert_eq!(output.status.signal(), Some(9), "{output:?}");
            self.kills += 1;
            self.goes_on = more(self.kills);
        }
    }
}

fn ended(output: Output) -> Output {
    assert!(output.status.success(), "{output:?}");
    output
}

/// Marsaglia's xorshift64.
struct XorShift(u64);

impl XorShift {
    fn up_to(&mut self, limit: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let limit = u64::try_from(limit.as_micros()).unwrap().max(1);
        Duration::from_micros(self.0 % limit)
    }
}
