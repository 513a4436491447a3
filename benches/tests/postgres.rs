//! Each measurement on PostgreSQL runs, once and with few sagas.

use saga_benches::Any;
use saga_benches::closed_loop::Load;
use saga_benches::postgres::PostgresEngine;
use saga_benches::postgres::server::Work;
use throwaway_postgres::ThrowawayPostgres;

#[test]
fn each_engine_on_postgres() -> Result<(), Any> {
    let server = ThrowawayPostgres::start()?;
    let runtime = tokio::runtime::Runtime::new()?;
    for engine in PostgresEngine::ALL {
        let url = server.new_database()?;
        let before = Work::so_far(&server, &url)?;
        let run = runtime.block_on(engine.run(&url, 2, 3, Load::Count(7)));
        let durations = run.map_err(|error| format!("{engine}: {error}"))?;
        assert_eq!(durations.each.len(), 7, "{engine}");
        let work = Work::so_far(&server, &url)?.since(before);
        assert!(work.commits >= 6.0 && work.updates >= 7.0, "{engine}: {work:?}");
        assert!(work.wal_bytes > 0.0 && work.hot_updates <= work.updates, "{engine}: {work:?}");
        if cfg!(target_os = "linux") {
            assert!(work.cpu_seconds.is_some_and(|time| time > 0.0), "{engine}: {work:?}");
        }
    }
    Ok(())
}
