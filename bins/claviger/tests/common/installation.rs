//! Installations that tests throw away: what is left of a server when its process is gone.

use std::path::PathBuf;
use std::process::Command;

use claviger_crypto::{MasterKey, Sealer, SystemRandom, random_array};
use claviger_domain::SecretText;
use claviger_storage::{DatabaseUrl, Store, StoreOptions};

use crate::support::Place;

/// A place with the secrets that are given to the server there.
pub(crate) struct Installation<'a> {
    place: &'a Place,
    url: DatabaseUrl,
    /// The value of the first key manager.
    pub(crate) bootstrap_key: String,
    /// On PostgreSQL; on SQLite the server makes its own.
    given_master_key: Option<SecretText>,
}

impl<'a> Installation<'a> {
    /// An installation that was never started.
    pub(crate) fn new(place: &'a Place) -> Self {
        let random: [u8; 20] = random_array(&mut SystemRandom).unwrap();
        let random: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let url = match place.is_sqlite() {
            true => DatabaseUrl::Sqlite(place.data().join("claviger.db")),
            false => url_in(&place.command(&[])).parse().unwrap(),
        };
        Self {
            place,
            url,
            bootstrap_key: format!("bootstrap-{random}"),
            given_master_key: (!place.is_sqlite())
                .then(|| MasterKey::generate(&mut SystemRandom).unwrap().to_base64()),
        }
    }

    /// The same with another way to reach the PostgreSQL database.
    pub(crate) fn at(self, url: &str) -> Self {
        Self { url: url.parse().unwrap(), ..self }
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        self.place.is_sqlite()
    }

    /// Where SQLite's database and master key lie.
    pub(crate) fn data_directory(&self) -> PathBuf {
        self.place.data()
    }

    /// The PostgreSQL URL with password and schema; none on SQLite.
    pub(crate) fn postgres_url(&self) -> Option<&str> {
        match &self.url {
            DatabaseUrl::Sqlite(_) => None,
            DatabaseUrl::Postgres(url) => Some(url),
        }
    }

    /// The program with the settings of this installation, and nothing else in its environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.place.command(arguments);
        command.env("CLAVIGER_LOG_FORMAT", "json").env("CLAVIGER_BOOTSTRAP_API_KEY", &self.bootstrap_key);
        if let Some(key) = &self.given_master_key {
            command.env("CLAVIGER_MASTER_KEY", key.expose());
        }
        if let Some(url) = self.postgres_url() {
            command.env("CLAVIGER_DATABASE_URL", url);
        }
        command
    }

    /// Opens the database behind the server's back; on SQLite only while no server runs.
    pub(crate) fn open_store(&self) -> Store {
        Store::open(&StoreOptions::new(self.url.clone())).unwrap()
    }

    /// The master key in base64, once the server has run.
    pub(crate) fn master_key(&self) -> SecretText {
        let text = match &self.given_master_key {
            Some(key) => key.expose().to_owned(),
            None => std::fs::read_to_string(self.data_directory().join("master.key")).unwrap(),
        };
        SecretText::from(text.trim().to_owned())
    }

    /// What opens the secrets in the database.
    pub(crate) fn sealer(&self, store: &Store) -> Sealer {
        let master_key = MasterKey::from_base64(self.master_key().expose()).unwrap();
        let data_keys = store.read::<_, ()>(|tx| Ok(tx.data_keys()?)).unwrap();
        Sealer::open(&master_key, &data_keys).unwrap()
    }
}

/// The URL that a place on PostgreSQL gives to the program.
fn url_in(command: &Command) -> String {
    let mut variables = command.get_envs();
    let (_, url) = variables.find(|(name, _)| *name == "CLAVIGER_DATABASE_URL").unwrap();
    url.unwrap().to_str().unwrap().to_owned()
}
