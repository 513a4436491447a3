//! Makes a run that breaks a law as small as it gets: what is taken off a tape becomes tame.

use crate::run::{Case, run};
use crate::tape::Recording;

/// How many runs a search may take.
const RUNS: usize = 2_500;

/// A smaller case that breaks the same law.
pub(crate) fn shrink(case: &Case, law: &str) -> Case {
    let mut shrinking = Shrinking { best: case.clone(), law, left: RUNS };
    shrinking.use_what_is_read();
    loop {
        let before = shrinking.best.recording.clone();
        for tape in [2, 3, 4, 1, 0] {
            shrinking.cut(tape);
            shrinking.zero(tape);
            shrinking.lower(tape);
        }
        if shrinking.best.recording == before || shrinking.left == 0 {
            return shrinking.best;
        }
    }
}

struct Shrinking<'a> {
    best: Case,
    law: &'a str,
    left: usize,
}

impl Shrinking<'_> {
    /// Takes this recording if the law is still broken.
    fn takes(&mut self, recording: Recording) -> bool {
        if self.left == 0 || recording == self.best.recording {
            return false;
        }
        self.left -= 1;
        let case = Case { recording, ..self.best };
        let is_broken = run(&case, false).broken.is_some_and(|broken| broken.law == self.law);
        if is_broken {
            self.best = case;
        }
        is_broken
    }

    fn with(&self, tape: usize, change: impl FnOnce(&mut Vec<u8>)) -> Recording {
        let mut recording = self.best.recording.clone();
        change(&mut recording[tape]);
        while recording[tape].last() == Some(&0) {
            recording[tape].pop();
        }
        recording
    }

    fn len(&self, tape: usize) -> usize {
        self.best.recording[tape].len()
    }

    fn use_what_is_read(&mut self) {
        let used = run(&self.best, false).used;
        self.takes(used);
    }

    /// Shorter: everything that comes later is tame.
    fn cut(&mut self, tape: usize) {
        let mut step = self.len(tape);
        while step > 0 {
            while self.len(tape) >= step {
                let shorter = self.with(tape, |bytes| bytes.truncate(bytes.len() - step));
                if !self.takes(shorter) {
                    break;
                }
            }
            step /= 2;
        }
    }

    /// Zeros in the place of blocks.
    fn zero(&mut self, tape: usize) {
        let mut block = self.len(tape).div_ceil(2);
        while block > 0 {
            let mut at = 0;
            while at < self.len(tape) {
                let end = (at + block).min(self.len(tape));
                let zeros = self.with(tape, |bytes| bytes[at..end].fill(0));
                self.takes(zeros);
                // what stands there may also be left out, so that what comes after it moves up
                if end <= self.len(tape) && block <= 8 {
                    let removed = self.with(tape, |bytes| drop(bytes.drain(at..end)));
                    self.takes(removed);
                }
                at += block;
            }
            block /= 2;
        }
    }

    /// Smaller numbers: shorter times, earlier alternatives.
    fn lower(&mut self, tape: usize) {
        for at in 0..self.len(tape) {
            for lower in
                [|byte: u8| byte / 4, |byte: u8| byte / 2, |byte: u8| byte.saturating_sub(1)]
            {
                while at < self.len(tape) {
                    let lowered = self.with(tape, |bytes| bytes[at] = lower(bytes[at]));
                    if !self.takes(lowered) {
                        break;
                    }
                }
            }
        }
    }
}
