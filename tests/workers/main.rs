//! Several workers on one PostgreSQL.

mod handles;
mod ownership;
mod shop;
mod transactions;
