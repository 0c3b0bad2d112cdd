//! Faults of TLS for people: what is wrong, and what to do.

use std::error::Error as StdError;
use std::io;

use rustls::{AlertDescription, CertificateError, Error, OtherError};

/// Why a handshake fails without further words.
const NOT_IN_COMMON: &str = "no version, cipher or kind of key is in common; it needs TLS 1.2 or \
                             1.3, with a P-521 key TLS 1.3, and must not ask for a client certificate";

/// Is it that a server presents the certificate of an authority as its own?
pub(super) fn is_authority_as_server(error: &OtherError) -> bool {
    let inner = error.0.downcast_ref::<webpki::Error>();
    matches!(inner, Some(webpki::Error::CaUsedAsEndEntity))
}

/// What an error in a chain of causes has to do with TLS, in words.
pub(in crate::core) fn fault(cause: &(dyn StdError + 'static)) -> Option<String> {
    if let Some(error) = cause.downcast_ref() {
        return Some(in_words(error));
    }
    // Errors of I/O do not count what they wrap among their causes.
    fault(cause.downcast_ref::<io::Error>()?.get_ref()?)
}

/// What it means that the connection ended while TLS was agreed upon, if it did.
pub(in crate::core) fn early_end(cause: &(dyn StdError + 'static)) -> Option<String> {
    let error: &io::Error = cause.downcast_ref()?;
    if error.kind() != io::ErrorKind::UnexpectedEof {
        return early_end(error.get_ref()?);
    }
    let text = "the server ends the connection during the TLS handshake; perhaps";
    Some(format!("{text} {NOT_IN_COMMON}"))
}

/// A fault in words; the library's own show its types.
pub(super) fn in_words(error: &Error) -> String {
    let text = match error {
        Error::InvalidCertificate(fault) => return of_certificate(fault),
        Error::AlertReceived(alert) => return of_alert(*alert),
        Error::InvalidMessage(_) | Error::InappropriateMessage { .. } => {
            "the server does not speak TLS on this port; check scheme and port of the address"
        }
        Error::PeerIncompatible(_) | Error::NoApplicationProtocol => {
            "the server offers no version or cipher of TLS that this client speaks; it needs TLS \
             1.2 or 1.3"
        }
        Error::NoCertificatesPresented => "the server presents no certificate",
        Error::DecryptError | Error::PeerMisbehaved(_) | Error::PeerSentOversizedRecord => {
            "what the server sends is broken TLS; something on the way changes it"
        }
        _ => "TLS to the server fails",
    };
    text.to_owned()
}

fn of_certificate(fault: &CertificateError) -> String {
    let rest = match fault {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "has expired; its operator must renew it, or the clock of this machine is wrong"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet; the clock of this machine, or of its maker, is wrong"
        }
        CertificateError::UnknownIssuer => {
            "is signed by an unknown authority (or comes without its intermediate certificate); \
             set ca_file or SSL_CERT_FILE to the PEM file of its authority"
        }
        CertificateError::NotValidForName => "is not valid for name of the address; check both",
        CertificateError::NotValidForNameContext { expected, .. } => {
            let name = expected.to_str();
            return format!(
                "the server's certificate is not valid for name \"{name}\"; check the address, or \
                 have the name added to the certificate (subjectAltName)"
            );
        }
        CertificateError::Revoked => "is revoked; its operator must replace it",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "is not meant for servers (extendedKeyUsage); its operator must replace it"
        }
        CertificateError::BadSignature => "has a wrong signature; it is not genuine",
        CertificateError::BadEncoding | CertificateError::UnhandledCriticalExtension => {
            "cannot be read; its operator must replace it with a usual one (X.509 version 3)"
        }
        CertificateError::Other(other) if is_authority_as_server(other) => {
            "is that of an authority (CA:TRUE); to trust it, set ca_file to a PEM file that holds \
             it, else its operator must replace it"
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "has a key or a signature of a kind that cannot be checked; RSA from 2048 bits, P-256, \
             P-384, P-521 and Ed25519 can"
        }
        _ => "is refused; its operator must replace it with a usual one (X.509 version 3)",
    };
    format!("the server's certificate {rest}")
}

fn of_alert(alert: AlertDescription) -> String {
    let why = match alert {
        AlertDescription::HandshakeFailure
        | AlertDescription::ProtocolVersion
        | AlertDescription::InsufficientSecurity => NOT_IN_COMMON.to_owned(),
        AlertDescription::CertificateRequired
        | AlertDescription::BadCertificate
        | AlertDescription::NoCertificate => {
            "it wants a client certificate, which is not supported; put a proxy between".to_owned()
        }
        AlertDescription::UnrecognisedName => {
            "it does not know the host of the address; check it".to_owned()
        }
        other => format!("TLS alert {}", u8::from(other)),
    };
    format!("the server ends the TLS handshake: {why}")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::pki_types::{ServerName, UnixTime};
    use rustls::{InvalidMessage, PeerIncompatible};

    use super::*;

    #[test]
    fn each_fault_is_a_sentence_without_names_of_types() {
        let of = |fault| Error::InvalidCertificate(fault);
        let authority = OtherError(Arc::new(webpki::Error::CaUsedAsEndEntity));
        let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1));
        for error in [
            of(CertificateError::UnknownIssuer),
            of(CertificateError::Expired),
            of(CertificateError::ExpiredContext {
                time,
                not_after: time,
            }),
            of(CertificateError::NotValidYet),
            of(CertificateError::NotValidForNameContext {
                expected: ServerName::try_from("api.example").unwrap(),
                presented: vec!["DnsName(\"other.example\")".to_owned()],
            }),
            of(CertificateError::Other(authority)),
            of(CertificateError::BadEncoding),
            of(CertificateError::ApplicationVerificationFailure),
            Error::AlertReceived(AlertDescription::HandshakeFailure),
            Error::AlertReceived(AlertDescription::CertificateRequired),
            Error::AlertReceived(AlertDescription::DecodeError),
            Error::InvalidMessage(InvalidMessage::InvalidContentType),
            Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13),
            Error::General("x".to_owned()),
        ] {
            let words = in_words(&error);
            assert!(
                !words.contains(['{', '[']) && !words.contains("::"),
                "{words}"
            );
            assert!(
                !words.contains("Error") && !words.contains("DnsName"),
                "{words}"
            );
        }
    }
}
