//! The commands that ask something of sagas. Each says what, and `batch` does the rest.

use saga_core::dag::EventType;
use saga_core::log::{NodePath, Payload, Uuid};
use saga_core::operator::{Command, Decision};
use serde_json::value::RawValue;

use super::batch::{Batch, ask};
use crate::args::{
    DecideArgs, FilterArgs, Global, NoteArgs, RequestArgs, ResolveArgs, RetryArgs, SignalArgs,
    TargetArgs,
};
use crate::failure::{Exit, Failure};
use crate::output::Output;

type Asked = Result<Exit, Failure>;

pub(super) async fn cancel(global: &Global, output: &Output, args: NoteArgs) -> Asked {
    let command = Command::Cancel { reason: args.reason };
    ask(global, output, &args.targets, &args.ask, Batch { command, destroys: true }).await
}

pub(super) async fn rollback(global: &Global, output: &Output, args: NoteArgs) -> Asked {
    let command = Command::Rollback { reason: args.reason };
    ask(global, output, &args.targets, &args.ask, Batch { command, destroys: true }).await
}

pub(super) async fn pause(global: &Global, output: &Output, args: RequestArgs) -> Asked {
    harmless(global, output, args, Command::Pause).await
}

pub(super) async fn resume(global: &Global, output: &Output, args: RequestArgs) -> Asked {
    harmless(global, output, args, Command::Resume).await
}

pub(super) async fn step(global: &Global, output: &Output, args: RequestArgs) -> Asked {
    harmless(global, output, args, Command::Step).await
}

pub(super) async fn unpark(global: &Global, output: &Output, args: RequestArgs) -> Asked {
    harmless(global, output, args, Command::Unpark).await
}

pub(super) async fn retry(global: &Global, output: &Output, args: RetryArgs) -> Asked {
    let command = match args.node {
        None => Command::RetryAll,
        Some(node) if args.action => Command::Retry { node: path(node) },
        Some(node) => Command::RetryUndo { node: path(node) },
    };
    ask(global, output, &args.targets, &args.ask, Batch { command, destroys: false }).await
}

pub(super) async fn resolve(global: &Global, output: &Output, args: ResolveArgs) -> Asked {
    let command = Command::Resolve { node: path(args.node), note: args.note };
    ask(global, output, &args.targets, &args.ask, Batch { command, destroys: true }).await
}

pub(super) async fn decide(global: &Global, output: &Output, args: DecideArgs) -> Asked {
    let decision = match args.succeeded {
        None => Decision::Failed,
        Some(json) => {
            let what = "--succeeded is the output as JSON, such as '\"p-7\"'";
            Decision::SucceededWith(payload(&json, what)?)
        }
    };
    let command = Command::Decide { node: path(args.node), decision, note: args.note };
    ask(global, output, &only(args.id), &args.ask, Batch { command, destroys: true }).await
}

pub(super) async fn signal(global: &Global, output: &Output, args: SignalArgs) -> Asked {
    let event = EventType::new(&args.event, args.rev)
        .map_err(|error| Failure::usage(format!("the name of the event: {error}")))?;
    let payload = payload(&args.payload, "--payload is JSON, such as '{\"by\":\"Ada\"}'")?;
    let event_id = args.event_id.unwrap_or_else(|| Uuid::now_v7().to_string());
    let command = Command::Signal { event, event_id, payload };
    ask(global, output, &only(args.id), &args.ask, Batch { command, destroys: false }).await
}

/// One saga.
fn only(id: String) -> TargetArgs {
    TargetArgs { ids: vec![id], filter: FilterArgs::default(), limit: 1 }
}

/// JSON as it is written: a `Value` would round integers beyond 64 bits.
fn payload(json: &str, what: &str) -> Result<Payload, Failure> {
    let value = serde_json::from_str::<&RawValue>(json);
    let value = value.map_err(|error| Failure::usage(format!("{what}: {error}")))?;
    Ok(Payload::from(value.get().as_bytes()))
}

async fn harmless(global: &Global, output: &Output, args: RequestArgs, command: Command) -> Asked {
    ask(global, output, &args.targets, &args.ask, Batch { command, destroys: false }).await
}

fn path(node: String) -> NodePath {
    node.as_str().into()
}
