//! The server starts, survives a crash, and leaves nothing behind.

use throwaway_postgres::{Stop, ThrowawayPostgres};

#[test]
fn a_server_starts_keeps_its_data_over_a_crash_and_is_removed() {
    let mut server = ThrowawayPostgres::start().unwrap();
    let query =
        |server: &ThrowawayPostgres, sql: &str| server.client("psql", &["-Atc", sql]).unwrap();
    query(&server, "CREATE TABLE t AS SELECT 42 AS x");
    for how in [Stop::Immediate, Stop::Fast] {
        server.stop(how).unwrap();
        assert!(server.client("psql", &["-c", "SELECT 1"]).is_err());
        server.resume().unwrap();
        assert_eq!(query(&server, "SELECT x FROM t").trim(), "42");
    }
    let first = server.new_database().unwrap();
    let second = server.new_database().unwrap();
    assert_ne!(first, second);
    let directory = query(&server, "SHOW data_directory").trim().to_string();
    assert!(std::path::Path::new(&directory).exists());
    drop(server);
    assert!(!std::path::Path::new(&directory).exists());
}
