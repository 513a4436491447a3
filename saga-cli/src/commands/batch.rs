//! Asks one thing of one or many sagas: shows what would happen, asks for confirmation, sends the requests, and says what
//! became of each.

use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use saga_core::operator::{Answer, Command, OperateError, Operator, Prediction};
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
    /// `done`, `held`, `nothing_to_do`, `refused`, `unanswered`, `not_found` or `failed`.
    pub(crate) outcome: &'static str,
    /// Why, if it is none of the first three.
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
    let operator = global.open(Access::Attach).await?.operator(&name(args)?, args.wait);
    let (ids, more) = ids(&operator, targets).await?;
    if more && !output.json {
        output.note(&format!(
            "more than {} sagas meet the conditions; these are the first by id, --limit asks for more",
            ids.len()
        ));
    }
    let word = batch.command.name();
    if args.dry_run {
        return foresee(output, &operator, &ids, more, &batch.command).await;
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
    let asked = stream::iter(ids).map(|id| {
        let (operator, command, bar) = (&operator, batch.command.clone(), &bar);
        async move {
            let answer = operator.ask(&id, command).await;
            bar.inc(1);
            Asked::new(id, answer)
        }
    });
    let results = asked.buffered(AT_ONCE).collect::<Vec<_>>().await;
    bar.finish_and_clear();
    let exit = together(results.iter().map(|asked| asked.exit));
    output.show(&AllAsked { command: word, results, more }, text::requests::asked)?;
    Ok(exit)
}

impl Asked {
    fn new(saga: String, answer: Result<Answer, OperateError>) -> Self {
        let (outcome, exit, message) = match answer {
            Ok(Answer::Done) => ("done", Exit::Done, None),
            Ok(Answer::Held) => ("held", Exit::Done, None),
            Ok(Answer::NothingToDo { .. } | Answer::Duplicate) => {
                ("nothing_to_do", Exit::Done, None)
            }
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
                    | Exit::Findings => "failed",
                };
                (outcome, exit, Some(message))
            }
        };
        Self { saga, outcome, message, exit }
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
    args.by.clone().or_else(account).ok_or_else(|| {
        Failure::usage("what is your name, for the saga's log? give --by, or set SAGA_BY")
    })
}
