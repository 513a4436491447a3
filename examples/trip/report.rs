//! Prints the results of the trips as a table, and checks them against the world.

use std::collections::BTreeMap;
use std::error::Error;

use saga_core::{ActionError, SagaError, SagaReport};

use crate::types::{Itinerary, PaymentError};
use crate::world::{Booked, KINDS};

/// Prints the table and the summary. Returns false if a trip is neither fully booked nor fully undone.
pub(crate) fn print(trips: &[(String, Result<Itinerary, SagaError>)], booked: &Booked) -> bool {
    println!("{:<8}  {:<11}  what happened", "request", "status");
    for (id, result) in trips {
        let (status, what) = match result {
            Ok(trip) => ("booked", itinerary(trip)),
            Err(SagaError::RolledBack(report)) => ("rolled back", failure(report)),
            Err(SagaError::Stuck(report)) => ("stuck", stuck(report)),
            Err(error) => ("unfinished", error.to_string()),
        };
        println!("{id:<8}  {status:<11}  {what}");
    }
    println!();
    println!("{}", summary(booked));

    let mut clean = true;
    for (id, result) in trips {
        if let Some(wrong) = disagreement(result, booked.get(id)) {
            println!("{id}: {wrong}");
            clean = false;
        }
    }
    clean
}

fn itinerary(trip: &Itinerary) -> String {
    format!("{}, {}, {}; paid {}", trip.flight, trip.hotel, trip.car, euros(trip.cents))
}

fn failure(report: &SagaReport) -> String {
    let node = report.failed_node().map_or_else(|| "(no node)".to_string(), ToString::to_string);
    let why = match &report.error {
        Some(ActionError::Failed { message, .. }) => message.clone(),
        Some(error) => error.to_string(),
        None => "unknown".to_string(),
    };
    // A node that failed for certain has nothing to undo, but it is undone if a crash interrupted an earlier attempt.
    // To keep the table independent of crashes, it is listed only if its error leaves its effect in doubt.
    let open = report.error.as_ref().is_some_and(PaymentError::leaves_open);
    let undone = list(report.undone().filter(|node| open || Some(*node) != report.failed_node()));
    let undone = if undone.is_empty() { "nothing".to_string() } else { undone };
    format!("{node} failed: {why}; undone: {undone}")
}

fn stuck(report: &SagaReport) -> String {
    let (remain, may_remain) = (list(report.remaining_effects()), list(report.possible_effects()));
    format!("{}; remain: {remain}; may remain: {may_remain}", failure(report))
}

fn list<T: ToString>(nodes: impl Iterator<Item = T>) -> String {
    nodes.map(|node| node.to_string()).collect::<Vec<_>>().join(", ")
}

fn summary(booked: &Booked) -> String {
    let mut kinds = BTreeMap::<&str, (usize, u64)>::new();
    for (kind, cents) in booked.values().flatten() {
        let (count, sum) = kinds.entry(kind).or_default();
        *count += 1;
        *sum += cents;
    }
    let each = KINDS.map(|kind| {
        let (count, sum) = kinds.get(kind).copied().unwrap_or_default();
        format!("{kind} {count} ({})", euros(sum))
    });
    format!("left in world.db: {}", each.join(", "))
}

/// The contradiction between how a saga ended and what its trip has booked, if there is one.
fn disagreement(
    result: &Result<Itinerary, SagaError>,
    booked: Option<&BTreeMap<String, u64>>,
) -> Option<String> {
    let found = booked.map_or(0, BTreeMap::len);
    match result {
        Ok(_) if found == KINDS.len() => None,
        Err(SagaError::RolledBack(_)) if found == 0 => None,
        Ok(_) => Some(format!("completed, but only {found} of {} are booked", KINDS.len())),
        Err(error) => Some(format!("{found} of {} are booked; {error}", KINDS.len())),
    }
}

fn euros(cents: u64) -> String {
    format!("{}.{:02} EUR", cents / 100, cents % 100)
}

/// An error and its causes, on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let cause = error.to_string();
        if !line.contains(&cause) {
            line = format!("{line}: {cause}");
        }
        next = error.source();
    }
    line
}
