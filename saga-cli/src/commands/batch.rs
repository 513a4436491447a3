//! Asks one thing of one or many sagas: shows what would happen, asks for confirmation, sends the requests, and says what
//! became of each.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use futures_util::{StreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use saga_core::SagaStatus;
use saga_core::operator::{Answer, AuditOutcome, Command, OperateError, Operator, Prediction};
use serde::Serialize;

use crate::args::{AskArgs, Global, TargetArgs};
use crate::confirm::{confirm, is_somebody_there};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::store::Access;
use crate::text;
use crate::text::escape::plain_lines;

/// How many requests wait for their answers at the same time.
const AT_ONCE: usize = 32;

/// How many sagas are listed in one go.
const PAGE: usize = 500;

/// How often it is looked, after Ctrl-C, whether a request has come to the store.
const LOOKS: usize = 10;
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What is asked.
pub(super) struct Batch {
    pub(super) command: Command,
    /// True if it cannot be taken back.
    pub(super) destroys: bool,
}

/// What became of one request.
#[derive(Serialize)]
pub(crate) struct Asked {
    pub(crate) saga: String,
    /// `done`, `held`, `nothing_to_do`, `duplicate`, `begun`, `failed_again`, `refused`, `unanswered`, `not_asked`, `not_found`
    /// or `failed`.
    pub(crate) outcome: &'static str,
    /// Why, if it is none of the first five.
    pub(crate) message: Option<String>,
    #[serde(skip)]
    pub(crate) exit: Exit,
}

/// What became of all of them.
#[derive(Serialize)]
pub(crate) struct AllAsked {
    pub(crate) command: &'static str,
    pub(crate) results: Vec<Asked>,
    /// True if more sagas than `--limit` meet the conditions: these were not asked.
    pub(crate) more: bool,
    /// True if somebody has pressed Ctrl-C before all of them had an answer.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) interrupted: bool,
}

/// What would become of one request.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Foreseen {
    Known(Box<Prediction>),
    Unknown { saga: String, error: String },
}

#[derive(Serialize)]
struct AllForeseen {
    dry_run: bool,
    predictions: Vec<Foreseen>,
    /// True if more sagas than `--limit` meet the conditions: nothing is said about these.
    more: bool,
}

/// Asks something of the sagas that are named.
pub(super) async fn ask(
    global: &Global,
    output: &Output,
    targets: &TargetArgs,
    args: &AskArgs,
    batch: Batch,
) -> Result<Exit, Failure> {
    let operator = global.open_within(Access::Attach, args.wait).await?;
    let operator = operator.operator(&name(args)?, args.wait);
    let operator = &operator;
    let (ids, more) = ids(operator, targets).await?;
    if more && !output.json {
        output.note(&format!(
            "more than {} sagas meet the conditions; these are the first by id, --limit asks for more",
            ids.len()
        ));
    }
    let word = batch.command.name();
    if args.dry_run {
        return foresee(output, operator, &ids, more, &batch.command).await;
    }
    let many = ids.len() > 1;
    if (batch.destroys || many) && !ids.is_empty() {
        let what = match ids.as_slice() {
            [id] => id.clone(),
            [first, ..] => format!("{} sagas (the first is {first})", ids.len()),
            [] => String::new(),
        };
        if let [id] = ids.as_slice()
            && !args.yes
            && is_somebody_there()
        {
            // whoever decides sees what it would do; if that cannot be told, the request itself will say so
            if let Ok(prediction) = operator.predict(id, batch.command.clone()).await {
                output.note(plain_lines(&prediction.to_string()).trim_end());
            }
        }
        confirm(&format!("{word} {what}?"), args.yes)?;
    }
    let bar = progress(if many { ids.len() } else { 0 });
    let (results, interrupted) = send(operator, &ids, &batch.command, args.wait, &bar).await;
    bar.finish_and_clear();
    let exit = together(results.iter().map(|asked| asked.exit));
    let all = AllAsked { command: word, results, more, interrupted };
    output.show(&all, text::requests::asked)?;
    Ok(exit)
}

/// Asks each of them, and returns what became of it, in this order; true if somebody has pressed Ctrl-C meanwhile.
async fn send(
    operator: &Operator,
    ids: &[String],
    command: &Command,
    wait: Duration,
    bar: &ProgressBar,
) -> (Vec<Asked>, bool) {
    let (begun, ended) = (RefCell::new(BTreeSet::new()), RefCell::new(Vec::new()));
    let interrupted = {
        let asks = stream::iter(ids).map(|id| {
            let (begun, ended) = (&begun, &ended);
            async move {
                begun.borrow_mut().insert(id.as_str());
                let since = Instant::now();
                let mut asked = Asked::new(id.clone(), operator.ask(id, command.clone()).await);
                if asked.outcome == "done" && tries_again(command) {
                    asked.how_it_went(operator, wait.saturating_sub(since.elapsed())).await;
                }
                ended.borrow_mut().push(asked);
                bar.inc(1);
            }
        });
        let all = pin!(asks.buffer_unordered(AT_ONCE).count());
        matches!(select(all, pin!(tokio::signal::ctrl_c())).await, Either::Right(_))
    };
    let (begun, mut ended) = (begun.into_inner(), ended.into_inner());
    let left = |ended: &[Asked], id: &str| ended.iter().all(|asked| asked.saga != id);
    let mut rest = Vec::new();
    for id in ids.iter().filter(|id| left(&ended, id)) {
        let mut asked = false;
        // it may have been on its way to the store
        for _ in 0..LOOKS {
            if !begun.contains(id.as_str()) || asked {
                break;
            }
            asked = is_left(operator, id, command).await;
            if !asked {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        rest.push(Asked::interrupted(id.clone(), asked));
    }
    ended.extend(rest);
    let place = |asked: &Asked| ids.iter().position(|id| *id == asked.saga);
    ended.sort_by_cached_key(place);
    (ended, interrupted)
}

/// True if it is worth waiting for what becomes of it: what has failed before may fail again at once.
fn tries_again(command: &Command) -> bool {
    matches!(command, Command::RetryAll | Command::RetryUndo { .. } | Command::Retry { .. })
}

/// True if a request of this operator waits for a worker.
async fn is_left(operator: &Operator, id: &str, command: &Command) -> bool {
    let audit = operator.audit(id).await.unwrap_or_default();
    audit.iter().any(|record| {
        let waits = record.outcome == AuditOutcome::Waiting;
        waits && record.by == operator.name() && record.command == command.name()
    })
}

impl Asked {
    fn new(saga: String, answer: Result<Answer, OperateError>) -> Self {
        let (outcome, exit, message) = match answer {
            Ok(Answer::Done) => ("done", Exit::Done, None),
            Ok(Answer::Held) => ("held", Exit::Done, None),
            Ok(Answer::NothingToDo { .. }) => ("nothing_to_do", Exit::Done, None),
            Ok(Answer::Duplicate) => ("duplicate", Exit::Done, None),
            Ok(Answer::Refused(why)) => ("refused", Exit::Refused, Some(why.to_string())),
            Err(OperateError::Refused { refusal, .. }) => {
                ("refused", Exit::Refused, Some(refusal.to_string()))
            }
            Err(error) => {
                let Failure { exit, message } = error.into();
                let outcome = match exit {
                    Exit::Unanswered => "unanswered",
                    Exit::NotFound => "not_found",
                    Exit::Refused => "refused",
                    Exit::Done
                    | Exit::Error
                    | Exit::Usage
                    | Exit::Some
                    | Exit::NotConfirmed
                    | Exit::FailedAgain
                    | Exit::Findings => "failed",
                };
                (outcome, exit, Some(message))
            }
        };
        Self { saga, outcome, message, exit }
    }

    /// Waits for the end of what is tried again, but not longer than this.
    async fn how_it_went(&mut self, operator: &Operator, patience: Duration) {
        let ended = operator.until_ended(&self.saga, patience).await;
        match ended.ok().flatten().map(|position| position.status) {
            Some(SagaStatus::Stuck) => {
                (self.outcome, self.exit) = ("failed_again", Exit::FailedAgain);
                self.message = operator.why(&self.saga).await.ok().map(|why| why.sentence);
            }
            Some(SagaStatus::Completed | SagaStatus::RolledBack) => {}
            Some(SagaStatus::Running | SagaStatus::Failed | SagaStatus::RollingBack) | None => {
                self.outcome = "begun";
            }
        }
    }

    fn interrupted(saga: String, asked: bool) -> Self {
        let (outcome, exit, why) = match asked {
            true => ("unanswered", Exit::Unanswered, "interrupted before a worker has answered"),
            false => ("not_asked", Exit::Some, "interrupted before it was asked"),
        };
        Self { saga, outcome, message: Some(why.to_string()), exit }
    }
}

/// How the program ends after several requests: as each of them, if they have all ended in the same way.
fn together(mut exits: impl Iterator<Item = Exit>) -> Exit {
    let first = exits.next().unwrap_or(Exit::Done);
    if exits.all(|exit| exit == first) { first } else { Exit::Some }
}

async fn foresee(
    output: &Output,
    operator: &Operator,
    ids: &[String],
    more: bool,
    command: &Command,
) -> Result<Exit, Failure> {
    let (mut predictions, mut exits) = (Vec::new(), Vec::new());
    for id in ids {
        match operator.predict(id, command.clone()).await {
            Ok(prediction) => {
                let refused = matches!(prediction.answer, Some(Answer::Refused(_)));
                exits.push(if refused { Exit::Refused } else { Exit::Done });
                predictions.push(Foreseen::Known(Box::new(prediction)));
            }
            Err(error) => {
                let Failure { exit, message } = error.into();
                exits.push(exit);
                predictions.push(Foreseen::Unknown { saga: id.clone(), error: message });
            }
        }
    }
    let all = AllForeseen { dry_run: true, predictions, more };
    output.show(&all, |all| text::requests::foreseen(&all.predictions))?;
    Ok(together(exits.into_iter()))
}

/// The sagas that are asked, and whether more meet the conditions.
async fn ids(operator: &Operator, targets: &TargetArgs) -> Result<(Vec<String>, bool), Failure> {
    match (targets.ids.is_empty(), targets.filter.is_empty()) {
        (false, true) => {
            // an id that is given twice is meant once
            let mut seen = BTreeSet::new();
            let ids = targets.ids.iter().filter(|id| seen.insert(id.as_str()));
            return Ok((ids.cloned().collect(), false));
        }
        (true, false) => {}
        (true, true) => {
            return Err(Failure::usage(
                "which sagas? give their ids, or conditions such as --state parked",
            ));
        }
        (false, false) => {
            return Err(Failure::usage("give either ids or conditions, not both"));
        }
    }
    let wanted = targets.limit.saturating_add(1);
    let mut filter = targets.filter.filter(wanted.min(PAGE));
    let mut ids = Vec::new();
    loop {
        let page = operator.list(filter.clone()).await?;
        filter.after = page.last().map(|saga| saga.id.clone());
        let is_last = page.len() < filter.limit;
        ids.extend(page.into_iter().map(|saga| saga.id.to_string()));
        if is_last || ids.len() >= wanted {
            let more = ids.len() > targets.limit;
            ids.truncate(targets.limit);
            return Ok((ids, more));
        }
    }
}

/// A progress bar on the terminal, if there is one.
pub(super) fn progress(length: usize) -> ProgressBar {
    if length == 0 {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{wide_bar} {pos} of {len}");
    let bar = ProgressBar::new(u64::try_from(length).unwrap_or(u64::MAX));
    style.map(|style| bar.clone().with_style(style)).unwrap_or(bar)
}

/// Who asks.
fn name(args: &AskArgs) -> Result<String, Failure> {
    let account = || {
        let names = ["USER", "LOGNAME", "USERNAME"].into_iter();
        names.filter_map(|name| std::env::var(name).ok()).find(|name| !name.is_empty())
    };
    let nobody = || args.dry_run.then(|| "you".to_string());
    args.by.clone().or_else(account).or_else(nobody).ok_or_else(|| {
        Failure::usage("what is your name, for the saga's log? give --by, or set SAGA_BY")
    })
}
