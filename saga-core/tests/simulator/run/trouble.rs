//! What goes wrong with processes, with their clocks, and with the store as a whole.

use std::time::Duration;

use tokio::time::sleep;

use super::stage::{Stage, offset};
use crate::process::Process;

/// How long a process that is asked to shut down waits for its calls.
const GRACE: Duration = Duration::from_millis(400);

impl Stage {
    /// Has a number of things go wrong, one after the other; how long each lasts overlaps with the next.
    pub(super) async fn cause_trouble(&self) {
        let faults = self.tapes.faults.clone();
        for _ in 0..faults.pick(10) {
            sleep(ms(faults.below(1500))).await;
            let place = faults.pick(4);
            let (place, process) = {
                let slots = self.slots();
                let place = place % slots.len();
                (place, slots[place].process.clone())
            };
            match faults.pick(16) {
                0 => {}
                1..=4 => {
                    self.trace.count("fault: a kill");
                    self.kill(place, &process, ms(faults.below(4000)));
                }
                5 | 6 => {
                    self.trace.count("fault: a short suspension");
                    self.suspend(&process, ms(1 + faults.below(1500)));
                }
                7 => {
                    self.trace.count("fault: a suspension longer than the lease");
                    self.suspend(&process, ms(2500 + faults.below(5000)));
                }
                8 | 9 => {
                    self.trace.count("fault: a process is cut off");
                    self.cut_off(&process, ms(500 + faults.below(6000)));
                }
                10 => {
                    self.trace.count("fault: the store is down");
                    self.outage(ms(500 + faults.below(4000)));
                }
                11 | 12 => {
                    let by = offset(1 + faults.pick(400)) * 100;
                    self.trace.count(match by > 0 {
                        true => "fault: a clock is set forward",
                        false => "fault: a clock is set back",
                    });
                    self.trace.note(|| format!("{process:?}: its clock is set by {by} ms"));
                    process.set_clock(by);
                }
                13 => {
                    let by = offset(1 + faults.pick(100)) * 100;
                    self.trace.count(match by > 0 {
                        true => "fault: the store's clock is set forward",
                        false => "fault: the store's clock is set back",
                    });
                    self.trace.note(|| format!("the store's clock is set by {by} ms"));
                    self.medium.set_clock(by);
                }
                _ => {
                    self.trace.count("fault: a shutdown");
                    self.shut_down(place, &process, ms(faults.below(2000)));
                }
            }
        }
    }

    fn suspend(&self, process: &Process, time: Duration) {
        self.trace.note(|| format!("{process:?} is suspended for {time:?}"));
        process.suspend();
        let (stage, process) = (self.clone(), process.clone());
        drop(tokio::spawn(async move {
            sleep(time).await;
            stage.trace.note(|| format!("{process:?} goes on"));
            process.go_on();
        }));
    }

    fn cut_off(&self, process: &Process, time: Duration) {
        self.trace.note(|| format!("{process:?} is cut off from the store for {time:?}"));
        self.network.cut_off(process);
        let (stage, process) = (self.clone(), process.clone());
        drop(tokio::spawn(async move {
            sleep(time).await;
            stage.trace.note(|| format!("{process:?} reaches the store again"));
            stage.network.reconnect(&process);
        }));
    }

    fn outage(&self, time: Duration) {
        self.trace.note(|| format!("the store is down for {time:?}"));
        self.network.go_down();
        let stage = self.clone();
        drop(tokio::spawn(async move {
            sleep(time).await;
            stage.trace.note(|| "the store is back".to_string());
            stage.network.come_back();
        }));
    }

    /// A process is asked to end in good order. It is killed if it takes too long.
    fn shut_down(&self, place: usize, process: &Process, pause: Duration) {
        let sec = self.slots()[place].sec.clone();
        let Some(sec) = sec.filter(|_| !process.is_dead()) else { return };
        self.trace.note(|| format!("{process:?} shuts down"));
        let (stage, process) = (self.clone(), process.clone());
        drop(tokio::spawn(async move {
            let ended = {
                let end = process.run(sec.shutdown(GRACE));
                tokio::select! {
                    biased;
                    ended = end => Some(ended),
                    () = process.dies() => return,
                    () = sleep(Duration::from_secs(10)) => None,
                }
            };
            stage.trace.note(|| format!("{process:?} has shut down: {ended:?}"));
            stage.kill(place, &process, pause);
        }));
    }

    /// All faults stop. What is under way is not interrupted: slow requests still arrive.
    pub(super) async fn calm_down(&self) {
        self.trace.note(|| "faults stop".to_string());
        self.tapes.calm_down();
        self.network.calm_down();
        self.world.calm();
        for slot in self.slots().iter() {
            slot.process.go_on();
        }
        self.deploy_the_latest();
    }
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
