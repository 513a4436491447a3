//! Databases on a server that others use as well: each is removed, and nothing else is.

use throwaway_postgres::{Databases, Place, ThrowawayPostgres};

fn databases(server: &ThrowawayPostgres) -> Vec<String> {
    let list = "SELECT datname FROM pg_database WHERE datname LIKE 'saga%' ORDER BY datname";
    let list = server.client("psql", &["-Atc", list]).unwrap();
    list.lines().map(str::to_string).collect()
}

#[test]
fn databases_are_removed_also_those_of_processes_that_have_died() {
    let server = ThrowawayPostgres::start().unwrap();
    let url = server.url();
    server.client("createdb", &["saga_test_12345_678_1"]).unwrap();
    server.client("createdb", &["saga_of_another_program"]).unwrap();
    let first = Databases::at(&url).unwrap();
    assert_eq!(databases(&server), ["saga_of_another_program"]);
    let (a, b) = (first.create().unwrap(), first.create().unwrap());
    assert_ne!(*a, *b);
    // those of a process that lives stay
    let second = Databases::at(&format!("{url}?connect_timeout=5")).unwrap();
    let c = second.create().unwrap();
    assert!(c.ends_with("?connect_timeout=5"), "{}", &*c);
    assert_eq!(databases(&server).len(), 4);
    for database in [&a, &b, &c] {
        let database = database.split('?').next().unwrap();
        server.client("psql", &["-d", database, "-qc", "CREATE TABLE t (x int)"]).unwrap();
    }
    drop((a, c));
    assert_eq!(databases(&server).len(), 2);
    drop(b);
    assert_eq!(databases(&server), ["saga_of_another_program"]);
}

#[test]
fn what_the_server_refuses_is_said_without_the_password() {
    let server = ThrowawayPostgres::start().unwrap();
    let user = "CREATE USER guest PASSWORD 's3cret'";
    server.client("psql", &["-qc", user]).unwrap();
    let password = "host all guest 127.0.0.1/32 scram-sha-256";
    server.configure("pg_hba.conf", password, Place::First).unwrap();
    let url = server.url().replace("saga@", "guest:s3cret@");
    let guest = Databases::at(&url).unwrap();
    let wrong = url.replace("s3cret", "wrong-s3cret");
    let nobody = url.replace(&format!(":{}/", server.port()), ":1/");
    let mut errors = vec![guest.create().unwrap_err()];
    // the server reads its files a moment later
    while Databases::at(&wrong).is_ok() {}
    let urls = [&wrong, &nobody, "postgres://u:s3cret@x:y/z"];
    errors.extend(urls.map(|url| Databases::at(url).unwrap_err()));
    let says = ["CREATEDB", "check user and password", "check host and port", "cannot be read"];
    for (error, says) in errors.iter().zip(says) {
        println!("{error}");
        assert!(error.contains(says), "{error}");
        assert!(error.contains("SAGA_TEST_POSTGRES_URL") && !error.contains("s3cret"), "{error}");
    }
}
