//! The database as somebody sees it who got hold of it, and the secrets in it as the server sees them.

use claviger_crypto::SealedItem;
use claviger_domain::KeyType;
use openssl::base64::decode_block;
use openssl::pkey::PKey;
use openssl::symm::{Cipher, decrypt_aead};

use crate::common::Installation;
use crate::evidence::Evidence;

/// The lengths of the parts of a sealed value: header, nonce, tag.
const PARTS: [usize; 3] = [5, 12, 16];

/// Notes every file of the data directory but the one that holds the master key. Where SQLite keeps a row at the moment is
/// its own business.
pub(crate) fn note_files(installation: &Installation<'_>, when: &str, evidence: &mut Evidence) {
    let Ok(files) = std::fs::read_dir(installation.data_directory()) else { return };
    for file in files {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        let place = format!("the file {name} {when}");
        let bytes = std::fs::read(file.path()).unwrap();
        match name.as_str() {
            "master.key" => {}
            "claviger.db" | "claviger.db-wal" => evidence.trace_perhaps_showing(&place, CONTROL, bytes),
            _ => evidence.trace(&place, bytes),
        }
    }
}

/// A text in the database that is searched for like a secret, and must be found.
pub(crate) const CONTROL: &str = "the control";

/// Notes the rows of the `change` table, and on PostgreSQL every row of every table.
pub(crate) fn note_rows(installation: &Installation<'_>, evidence: &mut Evidence) {
    let store = installation.open_store();
    let changes = store.read::<_, ()>(|tx| Ok(tx.changes(0, usize::MAX)?)).unwrap();
    assert!(changes.len() > 6);
    evidence.trace_showing("the change table", CONTROL, format!("{changes:?}"));
    #[cfg(feature = "postgres")]
    if let Some(url) = installation.postgres_url() {
        evidence.trace_showing("the tables", CONTROL, postgres::dump(url));
    }
    if installation.is_sqlite() {
        let mut bytes = std::fs::read(installation.data_directory().join("claviger.db")).unwrap();
        bytes
            .extend(std::fs::read(installation.data_directory().join("claviger.db-wal")).unwrap_or_default());
        evidence.trace_showing("the database with what was not moved into it yet", CONTROL, bytes);
    }
}

/// Takes every secret out of the database, with the master key.
pub(crate) fn note_secrets(installation: &Installation<'_>, evidence: &mut Evidence) {
    let store = installation.open_store();
    let sealer = installation.sealer(&store);
    let (instance, data_keys, keys) =
        store.read::<_, ()>(|tx| Ok((tx.find_instance()?.unwrap(), tx.data_keys()?, tx.keys()?))).unwrap();

    let master_key = installation.master_key();
    evidence.secret("the master key's text", master_key.expose());
    let master_key = decode_block(master_key.expose()).unwrap();
    let master_key = &master_key[..32];
    evidence.secret("the master key", master_key);
    for (version, sealed) in data_keys {
        let plain = unseal_data_key(master_key, sealed.as_bytes());
        assert_eq!(plain.len(), 32);
        evidence.secret(&format!("the data key {version}"), plain);
    }
    let digest_key = sealer.unseal(SealedItem::ApiKeyDigestKey, &instance.sealed_digest_key).unwrap();
    evidence.secret("the digest key", digest_key.expose());

    let mut kinds = Vec::new();
    for key in keys.into_iter().filter(|key| key.has_private_key) {
        let sealed = store.read::<_, ()>(|tx| Ok(tx.find_sealed_material(key.id)?)).unwrap().unwrap();
        let material = sealer.unseal(SealedItem::KeyMaterial(key.id), &sealed).unwrap();
        let name = format!("the private part of {}", key.name.as_str());
        note_material(&name, key.key_type, material.expose(), evidence);
        kinds.push(key.key_type);
    }
    for kind in KeyType::ALL {
        assert!(kinds.contains(&kind), "no {kind} key was made");
    }
}

/// Only the numbers that are secret: the encoded private key holds the public ones too.
fn note_material(name: &str, kind: KeyType, material: &[u8], evidence: &mut Evidence) {
    if matches!(kind, KeyType::Hmac | KeyType::Secret) {
        evidence.secret(&format!("{name}, text"), material);
        if name.contains("imported") {
            // Any text, where generated secrets are base64.
            return;
        }
        let text = std::str::from_utf8(material).unwrap();
        let padding = text.bytes().rev().take_while(|byte| *byte == b'=').count();
        let mut bytes = decode_block(text).unwrap();
        bytes.truncate(bytes.len() - padding);
        evidence.secret(&format!("{name}, bytes"), bytes);
        return;
    }
    let key = PKey::private_key_from_der(material).unwrap();
    match kind {
        KeyType::Rsa => {
            let rsa = key.rsa().unwrap();
            let parts = [Some(rsa.d()), rsa.p(), rsa.q(), rsa.dmp1(), rsa.dmq1(), rsa.iqmp()];
            for (part, number) in ["d", "p", "q", "dmp1", "dmq1", "iqmp"].into_iter().zip(parts) {
                evidence.secret(&format!("{name}, {part}"), number.unwrap().to_vec());
            }
        }
        KeyType::Ec => evidence.secret(name, key.ec_key().unwrap().private_key().to_vec()),
        _ => evidence.secret(name, key.raw_private_key().unwrap()),
    }
}

fn unseal_data_key(master_key: &[u8], sealed: &[u8]) -> Vec<u8> {
    let [header, nonce, tag] = PARTS;
    let (header, rest) = sealed.split_at(header);
    let (nonce, rest) = rest.split_at(nonce);
    let (ciphertext, tag) = rest.split_at(rest.len() - tag);
    let place = [header, b"claviger/data-key"].concat();
    decrypt_aead(Cipher::aes_256_gcm(), master_key, Some(nonce), &place, ciphertext, tag).unwrap()
}

#[cfg(feature = "postgres")]
pub(crate) mod postgres {
    //! PostgreSQL behind the server's back.

    use diesel::connection::SimpleConnection;
    use diesel::prelude::*;
    use diesel::sql_types::Text;

    use crate::common::Numbers;

    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        value: String,
    }

    fn texts(connection: &mut PgConnection, query: &str) -> Vec<String> {
        let rows: Vec<Row> = diesel::sql_query(query).load(connection).unwrap();
        rows.into_iter().map(|row| row.value).collect()
    }

    /// Every row of every table of the schema as text; bytes are written in hexadecimal digits.
    pub(super) fn dump(url: &str) -> String {
        let mut connection = PgConnection::establish(url).unwrap();
        let tables = texts(
            &mut connection,
            "SELECT quote_ident(tablename) AS value FROM pg_tables WHERE schemaname = current_schema()",
        );
        assert!(tables.len() >= 8, "{tables:?}");
        let mut dump = String::new();
        for table in tables {
            for row in texts(&mut connection, &format!("SELECT t::text AS value FROM {table} t")) {
                dump.push_str(&row);
                dump.push('\n');
            }
        }
        dump
    }

    /// A user of the database with a password that nobody else has; gone at the end.
    pub(crate) struct User {
        admin: String,
        name: String,
        pub(crate) password: String,
        /// The URL of the database for this user.
        pub(crate) url: String,
    }

    impl User {
        /// Makes a user that may work in the schema of this URL.
        pub(crate) fn create(admin: &str) -> Self {
            let mut numbers = Numbers::fresh();
            let (name, password) = (format!("claviger_{}", &numbers.text()[..20]), numbers.text());
            let mut connection = PgConnection::establish(admin).unwrap();
            let schema =
                texts(&mut connection, "SELECT quote_ident(current_schema()::text) AS value").remove(0);
            connection
                .batch_execute(&format!(
                    "CREATE ROLE {name} LOGIN PASSWORD '{password}'; GRANT USAGE, CREATE ON SCHEMA {schema} TO {name}"
                ))
                .unwrap();
            let (scheme, rest) = admin.split_once("://").unwrap();
            let host = rest.split_once('@').map_or(rest, |(_, host)| host);
            let url = format!("{scheme}://{name}:{password}@{host}");
            Self { admin: admin.to_owned(), name, password, url }
        }
    }

    impl Drop for User {
        fn drop(&mut self) {
            let dropped = PgConnection::establish(&self.admin).map_err(|error| error.to_string()).and_then(
                |mut connection| {
                    connection
                        .batch_execute(&format!("DROP OWNED BY {0} CASCADE; DROP ROLE {0}", self.name))
                        .map_err(|error| error.to_string())
                },
            );
            if let Err(error) = dropped {
                eprintln!("the role {} is left behind: {error}", self.name);
            }
        }
    }
}
