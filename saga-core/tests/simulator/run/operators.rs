//! Operators: those of a coordinator, and those who reach the store only. They ask for anything at any time.

use std::time::Duration;

use saga_core::SagaId;
use saga_core::operator::{Answer, Command, Decision, OperateError, Operator};
use tokio::time::sleep;

use super::clients::{fault, join_all};
use super::stage::{Planned, Stage};
use crate::laws::Told;
use crate::process::Process;
use crate::store::Client;

/// How long an operator who reaches the store only waits for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is counted: a command, and whether it was granted.
macro_rules! counted {
    ($command:expr, $answer:expr, $($variant:pat => $name:literal),* $(,)?) => {
        match ($command, $answer) {
            $(
                ($variant, Answer::Refused(_)) => concat!($name, ": refused"),
                ($variant, Answer::Held) => concat!($name, ": held"),
                ($variant, Answer::NothingToDo { .. }) => concat!($name, ": nothing to do"),
                ($variant, Answer::Done) => concat!($name, ": granted"),
            )*
            _ => "an unknown command",
        }
    };
}

impl Stage {
    /// Asks for a number of things, one after the other.
    pub(super) async fn ask_for_things(&self) {
        let operators = self.tapes.operators.clone();
        for _ in 0..operators.pick(12) {
            sleep(Duration::from_millis(operators.below(900))).await;
            let planned = &self.sagas[operators.pick(self.sagas.len())];
            match operators.pick(16) {
                0 => self.look_at(planned).await,
                command => {
                    let mut commands = vec![self.command(planned, command)];
                    let (attached, place) = (operators.chance(100), operators.pick(4));
                    while commands.len() < 5 && operators.chance(80) {
                        let choice = 1 + operators.pick(15);
                        commands.push(self.command(planned, choice));
                    }
                    self.ask(planned.id.clone(), commands, attached, place);
                }
            }
        }
    }

    fn command(&self, planned: &Planned, choice: usize) -> Command {
        let operators = &self.tapes.operators;
        // some look first
        if operators.chance(100)
            && let Some(record) = self.medium.record(&planned.id)
            && let Some(command) = self.way_on(&record, operators.byte())
        {
            return command;
        }
        let plan = self.plan_now(planned);
        let nodes = plan.nodes();
        let node = nodes.get(operators.pick(nodes.len())).map_or("nothing", String::as_str);
        let reason = || "the simulator asks".to_string();
        match choice {
            1 | 2 => Command::Pause,
            3 | 4 => Command::Resume,
            5 => Command::Step,
            6 | 7 => Command::Cancel { reason: reason() },
            8 => Command::Rollback { reason: reason() },
            9 => Command::RetryAll,
            10 => Command::RetryUndo {
                node: self.failed_undo(planned).as_deref().unwrap_or(node).into(),
            },
            11 => {
                let node = self.failed_undo(planned).unwrap_or(node.to_string());
                Command::Resolve { node: node.into(), note: reason() }
            }
            12 => Command::Retry { node: node.into() },
            13 => Command::Unpark,
            14 => {
                let decide = |node: &str, decision| Command::Decide {
                    node: node.into(),
                    decision,
                    note: reason(),
                };
                match plan.pivot() {
                    // who says how it ended has found out, and sees to it that it stays so
                    Some(pivot) => match self.world.truth(&planned.id, pivot) {
                        Some(decision) => decide(pivot, decision),
                        None => Command::Unpark,
                    },
                    // it is refused: of another node nobody closes the key, with which it is still tried
                    None => decide(node, Decision::Failed),
                }
            }
            _ => Command::Inject { node: node.into(), fault: fault(operators) },
        }
    }

    /// A node whose undo has failed, if there is one.
    fn failed_undo(&self, planned: &Planned) -> Option<String> {
        let stored = self.medium.peek(&planned.id)?;
        let failed = stored.entries.iter().filter(|entry| entry.kind.name() == "undo_failed");
        let nodes = failed.filter_map(|entry| entry.node()).map(ToString::to_string);
        let nodes = nodes.collect::<Vec<_>>();
        (!nodes.is_empty()).then(|| nodes[self.tapes.operators.pick(nodes.len())].clone())
    }

    /// An operator asks for several things at once, and waits for the answers as long as their process lives. Each request has
    /// a name of its own.
    pub(super) fn ask(&self, id: SagaId, commands: Vec<Command>, attached: bool, place: usize) {
        let number = {
            let mut story = self.story();
            story.requests += 1;
            story.requests
        };
        let by = format!("operator {number}");
        let (process, operator) = match attached {
            true => {
                let process = self.outsider();
                let store = Client::new(self.network.clone(), process.clone());
                (process, Operator::attach(store, by.as_str(), PATIENCE))
            }
            false => {
                let Some((process, sec)) = self.worker(place) else { return };
                (process, sec.operator(by.as_str()))
            }
        };
        self.trace.note(|| format!("{by}, in {process:?}, asks {id}: {commands:?}"));
        if commands.len() > 1 {
            self.trace.count("several requests at once");
        }
        let requests = commands.into_iter().enumerate();
        let requests = requests.map(|(n, command)| (format!("{by}.{n}"), command));
        let requests = requests.collect::<Vec<_>>();
        let names = requests.iter().map(|(by, _)| by.clone()).collect();
        self.story().told.push(Told::Asked { saga: id.clone(), by: names });
        let stage = self.clone();
        drop(tokio::spawn(async move {
            let asked = requests.into_iter().map(|(by, command)| {
                let operator = operator.named(by.as_str());
                let (stage, id) = (&stage, &id);
                async move {
                    let answer = ask(&operator, id.as_str(), command.clone()).await;
                    stage.told(id, by, command, answer);
                }
            });
            let asked = process.run(join_all(asked));
            tokio::select! {
                biased;
                () = asked => {}
                () = process.dies() => {}
            }
        }));
    }

    /// An operator is told something.
    fn told(
        &self,
        id: &SagaId,
        by: String,
        command: Command,
        answer: Result<Answer, OperateError>,
    ) {
        self.trace.note(|| format!("{by} is told: {answer:?}"));
        let answer = match answer {
            Ok(answer) => answer,
            Err(OperateError::Refused { refusal, .. }) => Answer::Refused(refusal),
            // it may arrive at any time, or never
            Err(OperateError::Store(_)) => return self.story().told.push(Told::NotLeft { by }),
            Err(_) => return,
        };
        self.trace.count(counted!(&command, &answer,
            Command::Cancel { .. } => "cancel",
            Command::Pause => "pause",
            Command::Resume => "resume",
            Command::Step => "step",
            Command::RetryUndo { .. } => "retry_undo",
            Command::RetryAll => "retry_all",
            Command::Resolve { .. } => "resolve",
            Command::Rollback { .. } => "rollback",
            Command::Retry { .. } => "retry",
            Command::Decide { .. } => "decide",
            Command::Unpark => "unpark",
            Command::Inject { .. } => "inject",
        ));
        self.story().told.push(Told::Answer { saga: id.clone(), by, command, answer });
    }

    /// Somebody looks at a saga.
    async fn look_at(&self, planned: &Planned) {
        let Some((process, sec)) = self.worker(self.tapes.operators.pick(4)) else { return };
        self.look_from(planned, process, &sec).await;
    }

    /// At the end, all sagas are looked at.
    pub(super) async fn look_at_all(&self) {
        let Some((process, sec)) = self.worker(0) else { return };
        for planned in &self.sagas {
            self.look_from(planned, process.clone(), &sec).await;
        }
    }

    async fn look_from(
        &self,
        planned: &Planned,
        process: Process,
        sec: &saga_core::Coordinator<crate::world::Site>,
    ) {
        let look = process.run(sec.inspect(planned.id.as_str()));
        let view = tokio::select! {
            biased;
            view = look => view,
            () = process.dies() => return,
            () = sleep(Duration::from_secs(2)) => return,
        };
        if let Ok(Some(view)) = view {
            self.story().told.push(Told::View { saga: planned.id.clone(), view: Box::new(view) });
        }
    }
}

async fn ask(operator: &Operator, id: &str, command: Command) -> Result<Answer, OperateError> {
    match command {
        Command::Cancel { reason } => operator.cancel(id, reason).await,
        Command::Pause => operator.pause(id).await,
        Command::Resume => operator.resume(id).await,
        Command::Step => operator.step(id).await,
        Command::RetryUndo { node } => operator.retry_undo(id, node).await,
        Command::RetryAll => operator.retry_all(id).await,
        Command::Resolve { node, note } => operator.resolve(id, node, note).await,
        Command::Rollback { reason } => operator.rollback(id, reason).await,
        Command::Retry { node } => operator.retry(id, node).await,
        Command::Decide { node, decision, note } => operator.decide(id, node, decision, note).await,
        Command::Unpark => operator.unpark(id).await,
        Command::Inject { node, fault } => operator.inject(id, node, fault).await,
        command => unreachable!("{command:?}"),
    }
}
