//! The databases that are measured on, and what is made of the figures.

/// Calls `work` with the name and the URL of a fresh database of each kind that there is.
pub(crate) fn on_each_database(mut work: impl FnMut(&str, &str)) {
    let directory = tempfile::tempdir().unwrap();
    work("SQLite", &format!("sqlite:{}", directory.path().join("claviger.db").display()));
    drop(directory);
    #[cfg(feature = "postgres")]
    if let Some(server) = std::env::var("CLAVIGER_TEST_POSTGRES_URL").ok().filter(|url| !url.is_empty()) {
        use diesel::connection::SimpleConnection;
        use diesel::{Connection, PgConnection};

        let schema = format!("claviger_bench_{}", std::process::id());
        let execute = |statements: String| {
            PgConnection::establish(&server).unwrap().batch_execute(&statements).unwrap();
        };
        execute(format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}"));
        let separator = if server.contains('?') { '&' } else { '?' };
        work("PostgreSQL", &format!("{server}{separator}options=-c%20search_path%3D{schema}"));
        execute(format!("DROP SCHEMA {schema} CASCADE"));
    }
}

/// The middle one of the values.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
