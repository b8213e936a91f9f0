//! What a tenant has where nobody set anything, beyond name, issuer and lifetimes.
//!
//! The official Terraform provider leaves these members out, reads them back, and would plan to set them again and again if
//! they were missing. Claviger acts on none of them.

use claviger_domain::DEFAULT_REFRESH_TOKEN_TIME_TO_LIVE_IN_MINUTES;
use serde_json::{Map, Value, json};

/// The connector for users who are kept in FusionAuth itself, the same in every instance.
const OWN_CONNECTOR: &str = "e3306678-a53a-4964-9040-1c96f36dda72";
/// The theme that every instance of FusionAuth has.
const DEFAULT_THEME: &str = "75a068fd-e94b-451a-9aeb-3ddb9a3b5987";

/// Fills in what is absent, inside objects too. What is there stays exactly as it is.
pub(super) fn fill(tenant: &mut Map<String, Value>) {
    if let Value::Object(defaults) = defaults() {
        fill_from(tenant, defaults);
    }
}

fn fill_from(own: &mut Map<String, Value>, defaults: Map<String, Value>) {
    for (name, default) in defaults {
        match (own.get_mut(&name), default) {
            (None | Some(Value::Null), default) => drop(own.insert(name, default)),
            (Some(Value::Object(own)), Value::Object(default)) => fill_from(own, default),
            _ => {}
        }
    }
}

fn defaults() -> Value {
    let generator = |length: u32, kind: &str| json!({"length": length, "type": kind});
    json!({
        "connectorPolicies": [{"connectorId": OWN_CONNECTOR, "domains": ["*"], "migrate": false}],
        "emailConfiguration": {"host": "localhost", "port": 25},
        "externalIdentifierConfiguration": {
            "authorizationGrantIdTimeToLiveInSeconds": 30,
            "changePasswordIdGenerator": generator(32, "randomBytes"),
            "changePasswordIdTimeToLiveInSeconds": 600,
            "deviceCodeTimeToLiveInSeconds": 300,
            "deviceUserCodeIdGenerator": generator(6, "randomAlphaNumeric"),
            "emailVerificationIdGenerator": generator(32, "randomBytes"),
            "emailVerificationOneTimeCodeGenerator": generator(6, "randomAlphaNumeric"),
            "externalAuthenticationIdTimeToLiveInSeconds": 300,
            "loginIntentTimeToLiveInSeconds": 1800,
            "oneTimePasswordTimeToLiveInSeconds": 60,
            "passwordlessLoginGenerator": generator(32, "randomBytes"),
            "passwordlessLoginTimeToLiveInSeconds": 180,
            "pendingAccountLinkTimeToLiveInSeconds": 3600,
            "registrationVerificationIdGenerator": generator(32, "randomBytes"),
            "registrationVerificationOneTimeCodeGenerator": generator(6, "randomAlphaNumeric"),
            "rememberOAuthScopeConsentChoiceTimeToLiveInSeconds": 2_592_000,
            "samlv2AuthNRequestIdTimeToLiveInSeconds": 300,
            "setupPasswordIdGenerator": generator(32, "randomBytes"),
            "trustTokenTimeToLiveInSeconds": 180,
            "twoFactorIdTimeToLiveInSeconds": 300,
            "twoFactorOneTimeCodeIdGenerator": generator(6, "randomDigits"),
            "twoFactorOneTimeCodeIdTimeToLiveInSeconds": 60,
            "webAuthnAuthenticationChallengeTimeToLiveInSeconds": 180,
            "webAuthnRegistrationChallengeTimeToLiveInSeconds": 180,
        },
        "jwtConfiguration": {
            "refreshTokenExpirationPolicy": "Fixed",
            "refreshTokenSlidingWindowConfiguration": {
                "maximumTimeToLiveInMinutes": DEFAULT_REFRESH_TOKEN_TIME_TO_LIVE_IN_MINUTES,
            },
            "refreshTokenUsagePolicy": "Reusable",
        },
        "multiFactorConfiguration": {"loginPolicy": "Enabled"},
        "ssoConfiguration": {"deviceTrustTimeToLiveInSeconds": 31_536_000},
        "themeId": DEFAULT_THEME,
        "webAuthnConfiguration": {
            "bootstrapWorkflow": {
                "authenticatorAttachmentPreference": "any",
                "userVerificationRequirement": "required",
            },
            "reauthenticationWorkflow": {
                "authenticatorAttachmentPreference": "platform",
                "userVerificationRequirement": "required",
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_what_is_absent_and_nothing_else() {
        let given = json!({
            "connectorPolicies": [],
            "data": {},
            "emailConfiguration": {"host": "mail.example", "port": null, "debug": false},
            "ssoConfiguration": null,
            "themeId": "",
            "webAuthnConfiguration": {"bootstrapWorkflow": {"enabled": true}, "reauthenticationWorkflow": 1},
        });
        let mut filled = given.as_object().unwrap().clone();
        fill(&mut filled);
        let mut expected = defaults();
        expected["connectorPolicies"] = json!([]);
        expected["data"] = json!({});
        expected["emailConfiguration"] = json!({"host": "mail.example", "port": 25, "debug": false});
        expected["themeId"] = json!("");
        expected["webAuthnConfiguration"]["bootstrapWorkflow"]["enabled"] = json!(true);
        expected["webAuthnConfiguration"]["reauthenticationWorkflow"] = json!(1);
        assert_eq!(Value::Object(filled.clone()), expected);
        let before = filled.clone();
        fill(&mut filled);
        assert_eq!(filled, before);
    }
}
