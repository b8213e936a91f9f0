//! The command line: commands, flags, and the help.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use claviger_domain::{EndpointPermissions, InvalidPermission, Name, NameError, Permissions, TenantId};
use claviger_http::{CommandLineApiKey, FUSIONAUTH_VERSION};

use crate::codegen::Part;
use crate::config::{Problems, Purpose};
use crate::settings::{SETTINGS, Setting};
use crate::sources::{Flags, unknown};

const EPILOGUE: &str = "\
Settings:
  Each setting can be given as a flag, as an environment variable CLAVIGER_NAME, or as a key in the
  TOML file that --config or CLAVIGER_CONFIG names, in this order. For example:

      claviger --http-addr 0.0.0.0:9011
      CLAVIGER_HTTP_ADDR=0.0.0.0:9011 claviger
      echo 'http_addr = \"0.0.0.0:9011\"' > claviger.toml; claviger --config claviger.toml

  Secrets have no flag, because the list of processes shows flags: CLAVIGER_MASTER_KEY and
  CLAVIGER_BOOTSTRAP_API_KEY, or files named by --master-key-file and --bootstrap-api-key-file.
  `claviger check-config` shows what is in force, secrets masked.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.";

/// What to do.
pub(crate) enum Action {
    /// Print a new master key.
    GenerateMasterKey,
    /// Print what is known without any configuration.
    Print(Part),
    /// What depends on the configuration.
    Configured(Configured),
}

/// The commands that read the configuration.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Configured {
    Serve,
    MigrateStatus,
    MigrateUp,
    MigrateDown { to: String },
    CreateApiKey(CommandLineApiKey),
    CheckConfig,
    HealthCheck,
}

impl Configured {
    /// What the command needs of the configuration.
    pub(crate) const fn purpose(&self) -> Purpose {
        match self {
            Self::Serve | Self::CreateApiKey(_) | Self::CheckConfig => Purpose::Instance,
            Self::MigrateStatus | Self::MigrateUp | Self::MigrateDown { .. } | Self::HealthCheck => {
                Purpose::WithoutSecrets
            }
        }
    }
}

/// A command line that was understood.
pub(crate) struct Call {
    pub(crate) action: Action,
    pub(crate) flags: Flags,
    /// Flags that do not exist. Nothing is done then, but what else is wrong can be told along with them.
    pub(crate) problems: Problems,
}

/// Reads the command line; the first argument is the program.
///
/// # Errors
/// What clap says, which includes the help and the version.
pub(crate) fn parse(arguments: &[OsString]) -> Result<Call, clap::Error> {
    let error = match command().try_get_matches_from(arguments) {
        Ok(matches) => return call(&matches, Problems::default()),
        Err(error) => error,
    };
    let unknown_flags = unknown_flags(arguments);
    if error.kind() != ErrorKind::UnknownArgument || unknown_flags.is_empty() {
        return Err(error);
    }
    let mut problems = Problems::default();
    for flag in &unknown_flags {
        let what = unknown(&flag.replace('-', "_").to_ascii_uppercase()).unwrap_or("there is no such flag");
        let suggestion = suggestion(&error, flag);
        problems.add(&format!("--{flag}"), format!("{what}{suggestion}"));
    }
    // Once more, with these flags allowed: the rest of the line may have problems of its own.
    let tolerant = unknown_flags.iter().fold(command(), |command, flag| {
        command.arg(
            Arg::new(format!("unknown {flag}"))
                .long(flag.clone())
                .num_args(0..=1)
                .action(ArgAction::Append)
                .global(true),
        )
    });
    match tolerant.try_get_matches_from(arguments) {
        Ok(matches) => call(&matches, problems),
        Err(_) => Err(command().error(ErrorKind::UnknownArgument, problems)),
    }
}

/// The long flags of the line that no command has, without dashes and values.
fn unknown_flags(arguments: &[OsString]) -> Vec<String> {
    let mut known = vec!["help".to_owned(), "version".to_owned()];
    collect_flags(&command(), &mut known);
    let mut found = Vec::new();
    for argument in arguments.iter().skip(1).take_while(|argument| *argument != "--") {
        let Some(flag) = argument.to_str().and_then(|argument| argument.strip_prefix("--")) else { continue };
        let flag = flag.split('=').next().unwrap_or(flag).to_owned();
        if !known.contains(&flag) && !found.contains(&flag) {
            found.push(flag);
        }
    }
    found
}

fn collect_flags(command: &Command, into: &mut Vec<String>) {
    into.extend(command.get_arguments().filter_map(|argument| argument.get_long()).map(str::to_owned));
    command.get_subcommands().for_each(|command| collect_flags(command, into));
}

/// The flag that clap takes for the one that was meant, if the error is about this one.
fn suggestion(error: &clap::Error, flag: &str) -> String {
    match (error.get(ContextKind::InvalidArg), error.get(ContextKind::SuggestedArg)) {
        (Some(ContextValue::String(invalid)), Some(ContextValue::String(suggested)))
            if invalid.trim_start_matches('-') == flag =>
        {
            format!("; is {suggested} meant?")
        }
        _ => String::new(),
    }
}

/// The whole command line.
pub(crate) fn command() -> Command {
    let mut command = Command::new("claviger")
        .version(format!("{} (FusionAuth API {FUSIONAUTH_VERSION})", env!("CARGO_PKG_VERSION")))
        .about("Issues, checks and revokes API keys, and keeps the keys that sign tokens.\nWithout a command it serves.")
        .after_help(EPILOGUE)
        .subcommand(Command::new("serve").about(
            "Migrate the database if needed, make the instance on the first start, and serve",
        ))
        .subcommand(migrate())
        .subcommand(api_key())
        .subcommand(
            Command::new("master-key")
                .about("Work with the master key, which seals the secrets in the database")
                .subcommand_required(true)
                .arg_required_else_help(true)
                .subcommand(Command::new("generate").about("Print a new master key, in base64")),
        )
        .subcommand(Command::new("check-config").about(
            "Print the effective configuration, one `NAME = value (source)` per line, secrets masked",
        ))
        .subcommand(Command::new("openapi").about("Print the OpenAPI document of the HTTP interface"))
        .subcommand(Command::new("healthcheck").about(
            "Ask the server at the configured address how it is; exit with 0 when it is healthy, else 1",
        ))
        .subcommand(
            Command::new("codegen")
                .about("Print a part of the documentation")
                .hide(true)
                .arg(Arg::new("part").required(true).value_parser(PossibleValuesParser::new(Part::NAMES))),
        )
        .arg(
            Arg::new("config")
                .long("config")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .global(true)
                .help_heading("Settings")
                .help("A TOML file with settings [environment: CLAVIGER_CONFIG]"),
        );
    for setting in SETTINGS {
        let Some(flag) = setting.flag() else { continue };
        let help = format!("{} [{}; default: {}]", summary(setting), setting.value, setting.default);
        command = command.arg(
            Arg::new(setting.name)
                .long(flag)
                .value_name("VALUE")
                .global(true)
                .help_heading("Settings")
                .help(help.replace('`', "")),
        );
    }
    command
}

/// The first sentence; the rest stands in the documentation.
fn summary(setting: &Setting) -> &'static str {
    setting.description.split(". ").next().unwrap_or_default().trim_end_matches('.')
}

fn migrate() -> Command {
    Command::new("migrate")
        .about("Run the migrations of the database that are due, as `migrate up` does")
        .subcommand(Command::new("status").about("List the migrations and which of them the database has"))
        .subcommand(Command::new("up").about("Run the migrations that are due"))
        .subcommand(
            Command::new("down").about("Undo migrations, newest first; data in what they made is lost").arg(
                Arg::new("to").long("to").value_name("VERSION").required(true).help(
                    "The newest migration that stays; 0 undoes all of them, and with them deletes all data",
                ),
            ),
        )
}

fn api_key() -> Command {
    Command::new("api-key")
        .about("Work with API keys in the database itself: with SQLite while no server runs on it")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("create")
                .about("Make an API key, and print its value, which is shown only this once")
                .arg(
                    Arg::new("name")
                        .long("name")
                        .value_name("NAME")
                        .required(true)
                        .value_parser(|text: &str| -> Result<Name, NameError> { text.to_owned().try_into() })
                        .help("The name of the key; no other key may have it"),
                )
                .arg(
                    Arg::new("permission")
                        .long("permission")
                        .value_name("METHODS:ENDPOINT")
                        .action(ArgAction::Append)
                        .value_parser(permission)
                        .help("An endpoint that it may call, such as GET,POST:/api/user; can be given many times"),
                )
                .arg(
                    Arg::new("all-endpoints")
                        .long("all-endpoints")
                        .action(ArgAction::SetTrue)
                        .conflicts_with("permission")
                        .help("It may call every endpoint"),
                )
                .arg(
                    Arg::new("key-manager")
                        .long("key-manager")
                        .action(ArgAction::SetTrue)
                        .help("It may manage other API keys, and without --permission call every endpoint"),
                )
                .arg(
                    Arg::new("tenant")
                        .long("tenant")
                        .value_name("ID")
                        .value_parser(value_parser!(TenantId))
                        .help("The one tenant that it is bound to; without one it is global"),
                ),
        )
}

/// One permission. An entry without a method would grant nothing, which nobody asks for on purpose.
fn permission(text: &str) -> Result<EndpointPermissions, InvalidPermission> {
    if text.is_empty() || text.starts_with(':') {
        return Err(InvalidPermission::Form);
    }
    if text.contains('\n') {
        return Err(InvalidPermission::InvalidCharacter);
    }
    text.parse()
}

fn call(matches: &ArgMatches, problems: Problems) -> Result<Call, clap::Error> {
    let values = SETTINGS
        .iter()
        .filter(|setting| !setting.secret)
        .filter_map(|setting| Some((*setting, matches.get_one::<String>(setting.name)?.clone())))
        .collect();
    let flags = Flags { config: matches.get_one::<PathBuf>("config").cloned(), values };
    Ok(Call { action: action(matches)?, flags, problems })
}

fn action(matches: &ArgMatches) -> Result<Action, clap::Error> {
    let Some((name, matches)) = matches.subcommand() else {
        return Ok(Action::Configured(Configured::Serve));
    };
    Ok(Action::Configured(match (name, matches.subcommand()) {
        ("master-key", _) => return Ok(Action::GenerateMasterKey),
        ("openapi", _) => return Ok(Action::Print(Part::OpenApi)),
        ("codegen", _) => match matches.get_one::<String>("part").and_then(|name| Part::find(name)) {
            Some(part) => return Ok(Action::Print(part)),
            None => return Err(usage(ErrorKind::InvalidValue, "there is no such part")),
        },
        ("serve", _) => Configured::Serve,
        ("migrate", Some(("status", _))) => Configured::MigrateStatus,
        ("migrate", Some(("down", matches))) => {
            Configured::MigrateDown { to: matches.get_one::<String>("to").cloned().unwrap_or_default() }
        }
        ("migrate", _) => Configured::MigrateUp,
        ("api-key", Some((_, matches))) => Configured::CreateApiKey(wanted_api_key(matches)?),
        ("check-config", _) => Configured::CheckConfig,
        ("healthcheck", _) => Configured::HealthCheck,
        _ => return Err(usage(ErrorKind::InvalidSubcommand, &format!("there is no command `{name}`"))),
    }))
}

fn wanted_api_key(matches: &ArgMatches) -> Result<CommandLineApiKey, clap::Error> {
    let Some(name) = matches.get_one::<Name>("name").cloned() else {
        return Err(usage(ErrorKind::MissingRequiredArgument, "--name is required"));
    };
    let key_manager = matches.get_flag("key-manager");
    let listed: Vec<_> =
        matches.get_many::<EndpointPermissions>("permission").into_iter().flatten().collect();
    let permissions = if !listed.is_empty() {
        let mut all = EndpointPermissions::default();
        for (endpoint, methods) in listed.into_iter().flat_map(EndpointPermissions::iter) {
            all.add(endpoint.clone(), methods);
        }
        Permissions::Only(all)
    } else if key_manager || matches.get_flag("all-endpoints") {
        Permissions::All
    } else {
        return Err(usage(
            ErrorKind::MissingRequiredArgument,
            "say what the key may do: --permission METHODS:ENDPOINT (many times), --all-endpoints or --key-manager",
        ));
    };
    Ok(CommandLineApiKey {
        name,
        key_manager,
        permissions,
        tenant_id: matches.get_one::<TenantId>("tenant").copied(),
    })
}

fn usage(kind: ErrorKind, message: &str) -> clap::Error {
    command().error(kind, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &str) -> Vec<OsString> {
        std::iter::once("claviger").chain(line.split_whitespace()).map(OsString::from).collect()
    }

    #[track_caller]
    fn key(line: &str) -> CommandLineApiKey {
        match parse(&arguments(line)).unwrap().action {
            Action::Configured(Configured::CreateApiKey(wanted)) => wanted,
            _ => panic!("another action"),
        }
    }

    #[track_caller]
    fn refused(line: &str) -> String {
        match parse(&arguments(line)) {
            Err(error) => {
                assert_eq!(error.exit_code(), 2, "{line}");
                error.to_string()
            }
            Ok(call) => {
                assert_ne!(call.problems, Problems::default(), "{line}");
                call.problems.to_string()
            }
        }
    }

    #[test]
    fn the_definition_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn permissions_add_up() {
        let wanted = key("api-key create --name n --permission GET:/api/user --permission PUT,GET:/api/key");
        let Permissions::Only(list) = wanted.permissions else { panic!("everything") };
        assert_eq!(list.to_string(), "GET,PUT:/api/key\nGET:/api/user");
        assert!(!wanted.key_manager && wanted.tenant_id.is_none());
        assert_eq!(key("api-key create --name n --all-endpoints").permissions, Permissions::All);
        let manager = key("api-key create --name n --key-manager --permission GET:/api/user");
        assert!(manager.key_manager && manager.permissions != Permissions::All);
    }

    #[test]
    fn keys_without_a_purpose_are_refused() {
        assert!(refused("api-key create --name n").contains("--permission"));
        refused("api-key create --all-endpoints");
        refused("api-key create --name n --all-endpoints --permission GET:/a");
        for bad in ["GET", ":/a", "get:/a", "GET:a", "HEAD:/a"] {
            refused(&format!("api-key create --name n --permission {bad}"));
        }
        refused("api-key create --name n --all-endpoints --tenant 1");
        refused("api-key");
        refused("master-key rotate");
        refused("nonsense");
        refused("migrate down");
    }

    #[test]
    fn flags_stand_before_and_after_the_command() {
        for line in [
            "--http-addr x --data-dir d api-key create --name n --all-endpoints",
            "api-key create --name n --all-endpoints --http-addr x --data-dir=d",
        ] {
            let flags = parse(&arguments(line)).unwrap().flags;
            let values: Vec<_> =
                flags.values.iter().map(|(setting, value)| (setting.name, value.as_str())).collect();
            assert_eq!(values, [("HTTP_ADDR", "x"), ("DATA_DIR", "d")]);
        }
    }

    #[test]
    fn all_unknown_flags_are_told_without_their_values() {
        let told = refused("serve --http-adr x --tls-cert-file=f --master-key s3cret --data-dir d");
        assert!(told.contains("--http-adr: there is no such flag; is --http-addr meant?"), "{told}");
        assert!(told.contains("--tls-cert-file: not supported in this version"), "{told}");
        assert!(told.contains("--master-key: a secret has no flag"), "{told}");
        assert!(!told.contains("s3cret") && !told.contains("data-dir"), "{told}");
    }
}
