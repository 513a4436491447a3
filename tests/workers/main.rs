//! Several workers on one PostgreSQL.

#[path = "../common/mod.rs"]
mod common;
mod cuts;
mod database;
mod dropped;
mod executor;
mod handles;
mod limits;
mod network;
mod ownership;
mod pooler;
mod processes;
mod proxy;
mod receivers;
mod refusals;
mod requests;
mod server;
mod shop;
mod transactions;
mod values;
mod versions;
mod waits;
