//! Whom to trust, and what is said when that fails. The only folder that names rustls.

mod p521;
mod words;

use std::path::Path;
use std::sync::Arc;

pub(super) use rustls::ClientConfig as TlsConfig;
use rustls::RootCertStore;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

use self::words::in_words;
pub(super) use self::words::{early_end, fault};

/// Protocols offered: what the HTTP client speaks, the better first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Makes a provider of cryptography known to the HTTP client, which panics without one.
pub(super) fn install_provider() {
    // Fails only if there is one already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// TLS as this client speaks it: 1.2 and 1.3, with the roots of `ca_file`, else the system's
/// (`SSL_CERT_FILE` counts), else Mozilla's, because a bare container has none.
///
/// # Errors
/// In words: the file cannot be used.
pub(super) fn config(ca_file: Option<&Path>) -> Result<TlsConfig, String> {
    let own = ca_file.map(read).transpose()?.unwrap_or_default();
    let mut roots = RootCertStore::empty();
    let (usable, _) = match ca_file {
        Some(_) => roots.add_parsable_certificates(own.iter().cloned()),
        None => roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs),
    };
    if usable == 0 {
        if let Some(file) = ca_file {
            let name = file.display();
            return Err(format!(
                "ca_file {name}: none of its certificates can be read; they must be X.509 version 3"
            ));
        }
        let mozilla = webpki_root_certs::TLS_SERVER_ROOT_CERTS;
        roots.add_parsable_certificates(mozilla.iter().cloned());
    }
    let provider = Arc::new(provider());
    let failed = |what: &dyn std::fmt::Display| format!("TLS cannot be set up: {what}");
    let usual = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .map_err(|error| failed(&error))?;
    let mut config = TlsConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&in_words(&error)))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { usual, own }))
        .with_no_client_auth();
    config.alpn_protocols = PROTOCOLS.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}

/// ring's cryptography, and the curve it lacks.
fn provider() -> CryptoProvider {
    CryptoProvider {
        signature_verification_algorithms: p521::algorithms(),
        ..rustls::crypto::ring::default_provider()
    }
}

/// The certificates of a PEM file.
fn read(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let name = file.display();
    let pem = std::fs::read(file).map_err(|error| format!("ca_file {name}: {error}"))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.unwrap_or_default();
    if found.is_empty() {
        return Err(format!("ca_file {name}: holds no PEM certificate"));
    }
    Ok(found)
}

/// The usual rules, and one more: a server whose very certificate is in `ca_file` is trusted, as
/// Python, curl and Node do. `openssl req -x509` marks its certificates as those of an authority,
/// which the usual rules do not accept from a server.
#[derive(Debug)]
struct Verifier {
    usual: Arc<WebPkiServerVerifier>,
    own: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judged = self.usual.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match judged {
            Err(error) if lacks_only_trust(&error) && self.own.contains(end_entity) => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            judged => judged,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}

/// Has a certificate no other fault than that nothing vouches for it? Its dates are judged before
/// either of these, its name is not.
fn lacks_only_trust(error: &Error) -> bool {
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => true,
        Error::InvalidCertificate(CertificateError::Other(other)) => {
            words::is_authority_as_server(other)
        }
        _ => false,
    }
}
