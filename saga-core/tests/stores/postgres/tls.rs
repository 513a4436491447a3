//! Connections with TLS: the server's certificate and name are checked.

use saga_core::store::{PostgresOptions, PostgresStore};
use throwaway_postgres::{Place, ThrowawayPostgres};

/// A server with a certificate for 127.0.0.1, and that certificate.
fn server() -> (ThrowawayPostgres, String) {
    let names = vec!["127.0.0.1".to_string()];
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(names).unwrap();
    let server = ThrowawayPostgres::start().unwrap();
    server.add_file("server.crt", &cert.pem()).unwrap();
    server.add_file("server.key", &signing_key.serialize_pem()).unwrap();
    server.configure("postgresql.conf", "ssl = on", Place::Last).unwrap();
    let only_tls = "hostnossl all all 127.0.0.1/32 reject";
    server.configure("pg_hba.conf", only_tls, Place::First).unwrap();
    (server, cert.pem())
}

async fn error(options: PostgresOptions) -> String {
    options.connect().await.map(drop).expect_err("it connected").to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_must_be_trusted_and_have_the_name_of_the_url() {
    let (server, pem) = server();
    let options = |host: &str, mode: &str| {
        let url = server.url().replace("127.0.0.1", host);
        PostgresStore::options(&format!("{url}?sslmode={mode}"))
    };
    // the server reads its files a moment later
    let mut tries = 0;
    while let Err(error) = options("127.0.0.1", "require").root_certificates(&*pem).connect().await
    {
        tries += 1;
        assert!(tries < 100, "{error}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    options("127.0.0.1", "prefer").root_certificates(&*pem).connect().await.unwrap();
    // without authorities and a demand, as by every other client of a server with a certificate of its own
    options("localhost", "prefer").connect().await.unwrap();
    PostgresStore::connect(&server.url()).await.unwrap();
    let checked = error(options("localhost", "prefer").root_certificates(&*pem)).await;
    assert!(checked.contains("the server's certificate is not trusted"), "{checked}");

    let untrusted = error(options("127.0.0.1", "require")).await;
    assert!(untrusted.contains("the server's certificate is not trusted"), "{untrusted}");
    assert!(untrusted.contains("`PostgresOptions::root_certificates`"), "{untrusted}");
    let other_name = error(options("localhost", "require").root_certificates(&*pem)).await;
    assert!(other_name.contains("use a name in the URL that the certificate has"), "{other_name}");
    let plain = error(options("127.0.0.1", "disable")).await;
    assert!(
        plain.contains("check user and password in the URL, and the server's `pg_hba.conf`"),
        "{plain}"
    );
    let no_pem = error(options("127.0.0.1", "require").root_certificates("nonsense")).await;
    assert!(no_pem.contains("there is no certificate in what was passed"), "{no_pem}");
    for shown in [untrusted, other_name, plain, no_pem] {
        println!("{shown}");
    }
}
