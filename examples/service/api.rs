//! The API: a customer places an order under an id of their own, and asks what has become of it.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use saga_core::operator::OperateError;
use saga_core::prelude::*;
use saga_core::{SagaStatus, StartError};
use serde::{Deserialize, Serialize};

use crate::sagas::{Order, Partners};

type Orders = Coordinator<Arc<Partners>>;

#[derive(Deserialize)]
struct NewOrder {
    customer: String,
    item: String,
    cents: u64,
}

/// What a customer is told. What went wrong inside is for operators.
#[derive(Serialize)]
struct Shown {
    id: String,
    status: &'static str,
}

pub(crate) fn router(orders: Orders) -> Router {
    Router::new().route("/orders/{id}", get(show).put(place)).with_state(orders)
}

/// Placing an order again with the same id changes nothing, so a client that got no answer just repeats its request.
async fn place(
    State(orders): State<Orders>,
    Path(id): Path<String>,
    Json(NewOrder { customer, item, cents }): Json<NewOrder>,
) -> Response {
    let order = Order { customer, item, cents };
    match orders.saga(order).id(&id).start().await {
        // the order is durable now, and goes on even if this process dies
        Ok(_) => (StatusCode::ACCEPTED, Json(Shown { id, status: "accepted" })).into_response(),
        Err(error @ StartError::IdConflict { .. }) => refused(StatusCode::CONFLICT, &error),
        Err(error @ (StartError::InvalidId(_) | StartError::Params { .. })) => {
            refused(StatusCode::UNPROCESSABLE_ENTITY, &error)
        }
        Err(error) => {
            eprintln!("order {id}: {error}");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

async fn show(State(orders): State<Orders>, Path(id): Path<String>) -> Response {
    match orders.operator("api").position(&id).await {
        Ok(Some(position)) => Json(Shown { id, status: in_words(position.status) }).into_response(),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error @ OperateError::InvalidId(_)) => {
            refused(StatusCode::UNPROCESSABLE_ENTITY, &error)
        }
        Err(error) => {
            eprintln!("order {id}: {error}");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

fn in_words(status: SagaStatus) -> &'static str {
    match status {
        SagaStatus::Running => "under way",
        SagaStatus::Failed | SagaStatus::RollingBack => "being cancelled",
        SagaStatus::Completed => "shipped",
        SagaStatus::RolledBack => "cancelled",
        // somebody is looking at it: it is first on the page for operators
        SagaStatus::Stuck => "being looked into",
    }
}

fn refused(status: StatusCode, error: &dyn std::error::Error) -> Response {
    (status, error.to_string()).into_response()
}
