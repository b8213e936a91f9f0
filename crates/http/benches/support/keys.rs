//! A million API keys, written into the tables themselves: through the server it would take minutes. Their values are generated in the
//! form that the server gives them, from a fixed seed, and go into the file that the requests take them from.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use claviger_crypto::{ApiKeyDigester, ApiKeyFormat, CryptoError, RandomSource, SealedItem, Sealer};
use claviger_domain::ApiKeyId;
use claviger_storage::{DatabaseUrl, StorageError, Store, StoreOptions};
use diesel::connection::{Connection, SimpleConnection};

use crate::master_key::master_key;

/// What each key may call: five endpoints, one of which the requests ask about.
const PERMISSIONS: &str =
    "GET,POST:/v1/orders\nGET:/v1/invoices\nGET,PUT:/v1/customers\nDELETE:/v1/carts\nGET:/v2/orders";
/// Rows of one statement.
const AT_ONCE: usize = 1_000;

/// Bytes from a seed, the same in every run (xorshift64*).
struct Seeded(u64);

impl Seeded {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
}

impl RandomSource for Seeded {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), CryptoError> {
        for chunk in bytes.chunks_mut(8) {
            let random = self.next().to_le_bytes();
            chunk.copy_from_slice(&random[..chunk.len()]);
        }
        Ok(())
    }
}

/// The digester of the instance on this database, which must have been started once.
fn digester(url: &DatabaseUrl) -> ApiKeyDigester {
    let store = Store::open(&StoreOptions::new(url.clone())).unwrap();
    let (instance, data_keys) =
        store.read::<_, StorageError>(|tx| Ok((tx.find_instance()?.unwrap(), tx.data_keys()?))).unwrap();
    let sealer = Sealer::open(&master_key(), &data_keys).unwrap();
    ApiKeyDigester::new(sealer.unseal(SealedItem::ApiKeyDigestKey, &instance.sealed_digest_key).unwrap())
        .unwrap()
}

/// Writes so many keys into the database and their values into `file`; answers how long each value is.
pub(crate) fn fill(url: &str, number: usize, file: &Path) -> usize {
    let url: DatabaseUrl = url.parse().unwrap();
    let digester = digester(&url);
    let format = ApiKeyFormat::new("clv_").unwrap();
    let mut random = Seeded(0x9E37_79B9_7F4A_7C15);
    let mut values = BufWriter::new(File::create(file).unwrap());
    let mut width = 0;
    let statements = (0..number).step_by(AT_ONCE).map(|start| {
        let mut statement = String::from(
            "INSERT INTO api_key (id, revision, digest, name, name_folded, permissions, key_manager, \
             retrievable, attributes, insert_instant, last_update_instant, disabled) VALUES ",
        );
        for row in start..number.min(start + AT_ONCE) {
            let value = format.generate(&mut random).unwrap();
            width = value.expose().len();
            values.write_all(value.expose().as_bytes()).unwrap();
            let mut id = [0; 16];
            random.fill(&mut id).unwrap();
            let id = ApiKeyId::from_random_bytes(id);
            let hex = digester.digest(value.expose().as_bytes()).as_bytes().iter().fold(
                String::new(),
                |mut text, byte| {
                    write!(text, "{byte:02x}").unwrap();
                    text
                },
            );
            let digest = match url {
                DatabaseUrl::Sqlite(_) => format!("x'{hex}'"),
                DatabaseUrl::Postgres(_) => format!("'\\x{hex}'"),
            };
            let separator = if row == start { "" } else { "," };
            write!(
                statement,
                "{separator}('{id}',1,{digest},'key {row}','key {row}','{PERMISSIONS}',false,false,'{{}}',1,1,false)"
            )
            .unwrap();
        }
        statement
    });
    match &url {
        #[cfg(feature = "sqlite")]
        DatabaseUrl::Sqlite(path) => {
            let mut connection = diesel::SqliteConnection::establish(path.to_str().unwrap()).unwrap();
            connection.batch_execute("PRAGMA synchronous = OFF; PRAGMA cache_size = -200000; BEGIN").unwrap();
            statements.for_each(|statement| connection.batch_execute(&statement).unwrap());
            connection.batch_execute("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        }
        #[cfg(feature = "postgres")]
        DatabaseUrl::Postgres(url) => {
            let mut connection = diesel::PgConnection::establish(url).unwrap();
            connection.batch_execute("BEGIN").unwrap();
            statements.for_each(|statement| connection.batch_execute(&statement).unwrap());
            connection.batch_execute("COMMIT").unwrap();
            connection.batch_execute("VACUUM ANALYZE api_key").unwrap();
        }
        #[cfg(not(all(feature = "sqlite", feature = "postgres")))]
        _ => drop(statements),
    }
    values.flush().unwrap();
    width
}
