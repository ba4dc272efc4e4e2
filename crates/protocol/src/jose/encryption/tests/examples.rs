//! Tokens of the standards' examples and of other programs, for the tests beside this.

/// RFC 7520 section 5.5: ECDH-ES with A128CBC-HS256.
pub(super) const AGREED: &str = "eyJhbGciOiJFQ0RILUVTIiwia2lkIjoibWVyaWFkb2MuYnJhbmR5YnVja0BidWNrbGFuZC5leGFtcGxlIiwi\
     ZXBrIjp7Imt0eSI6IkVDIiwiY3J2IjoiUC0yNTYiLCJ4IjoibVBVS1RfYkFXR0hJaGcwVHBqanFWc1AxclhX\
     UXVfdndWT0hIdE5rZFlvQSIsInkiOiI4QlFBc0ltR2VBUzQ2ZnlXdzVNaFlmR1RUMElqQnBGdzJTUzM0RHY0\
     SXJzIn0sImVuYyI6IkExMjhDQkMtSFMyNTYifQ..yc9N8v5sYyv3iGQT926IUg.BoDlwPnTypYq-ivjmQvAY\
     JLb5Q6l-F3LIgQomlz87yW4OPKbWE1zSTEFjDfhU9IPIOSA9Bml4m7iDFwA-1ZXvHteLDtw4R1XRGMEsDIqA\
     YtskTTmzmzNa-_q4F_evAPUmwlO-ZG45Mnq4uhM1fm_D9rBtWolqZSF3xGNNkpOMQKF1Cl8i8wjzRli7-IXg\
     yirlKQsbhhqRzkv8IcY6aHl24j03C-AR2le1r7URUhArM79BY8soZU0lzwI-sD5PZ3l4NDCCei9XkoIAfsXJ\
     WmySPoeRb2Ni5UZL4mYpvKDiwmyzGd65KqVw7MsFfI_K767G9C9Azp73gKZD0DyUn1mn0WW5LmyX_yJ-3ARO\
     q8p1WZBfG-ZyJ6195_JGG2m9Csg.WCCkNa-x4BeB9hIDIfFuhg";
/// The recipient's private key of that example (`d`).
pub(super) const AGREED_D: &str = "r_kHyZ-a06rmxM3yESK84r1otSg-aQcVStkRhA-iCM8";

/// RFC 7520 section 5.6: `dir` with A128GCM.
pub(super) const DIRECT: &str = "eyJhbGciOiJkaXIiLCJraWQiOiI3N2M3ZTJiOC02ZTEzLTQ1Y2YtODY3Mi02MTdiNWI0NTI0M2EiLCJlbmMi\
     OiJBMTI4R0NNIn0..refa467QzzKx6QAB.JW_i_f52hww_ELQPGaYyeAB6HYGcR559l9TYnSovc23XJoBcW2\
     9rHP8yZOZG7YhLpT1bjFuvZPjQS-m0IFtVcXkZXdH_lr_FrdYt9HRUYkshtrMmIUAyGmUnd9zMDB2n0cRDIH\
     AzFVeJUDxkUwVAE7_YGRPdcqMyiBoCO-FBdE-Nceb4h3-FtBP-c_BIwCPTjb9o0SbdcdREEMJMyZBH8ySWMV\
     i1gPD9yxi-aQpGbSv_F9N4IZAxscj5g-NJsUPbjk29-s7LJAGb15wEBtXphVCgyy53CoIKLHHeJHXex45Uz9\
     aKZSRSInZI-wjsY0yu3cT4_aQ3i1o-tiE-F8Ios61EKgyIQ4CWao8PFMj8TTnp.vbb32Xvllea2OtmHAdccR\
     Q";
/// The key of that example.
pub(super) const DIRECT_K: &str = "XctOhJAkA-pD9Lh7ZgW_2A";

/// What both say.
pub(super) const PLAIN: &str = "You can trust us to stick with you through thick and thin\u{2013}to \
     the bitter end. And you can trust us to keep any secret of yours\u{2013}closer than you keep \
     it yourself. But you cannot trust us to let you face trouble alone, and go off without a word. \
     We are your friends, Frodo.";

/// RFC 7518 appendix B.1: the ciphertext and the tag.
pub(super) const CBC: [&str; 2] = [
    "yA7foy3fOdXvAMC0aINCeaLkahuASfeS92v-VLkDqcmpSsm0etJlXF8Q-a73FCfi_G-bPzmaIhSJ8WNixwMj\
     NgnUWsaYZOMyHPgpNaxAlshuEzMUxUAZ6Mp5gN-kuc8bOExIbzpUxRB4FY7l153ln7002Eiz1pVQpnZGNEQn\
     reVLiFH_tZj3-AB0uUc8guLb",
    "ZSw_o2sKfFsyGfqzowvBxA",
];

/// RFC 7518 appendix C: Bob's private key (`d`).
pub(super) const BOB_D: &str = "VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw";
/// The same appendix: Alice's ephemeral private key (`d`).
pub(super) const ALICE_D: &str = "0_NxaRPUMQoAJt50Gz8YiTr8gRTwyEaCumd-MToTmIo";

/// Messages from Alice to Bob, made with Python's `cryptography`.
pub(super) const WRAPPED: [&str; 2] = [
    "eyJhbGciOiJFQ0RILUVTK0ExMjhLVyIsImVuYyI6IkExMjhHQ00iLCJhcHUiOiJRV3hwWTJVIiwiYXB2Ijoi\
     UW05aSIsImVwayI6eyJrdHkiOiJFQyIsImNydiI6IlAtMjU2IiwieCI6ImdJMEdBSUxCZHU3VDUzYWtyRm1N\
     eUdjc0YzbjVkTzdNbXdOQkhLVzVTVjAiLCJ5IjoiU0xXX3hTZmZ6bFBXckhFVkkzMERITV80ZWdWd3QzTlFx\
     ZVVEN25NRnBwcyJ9fQ.MJbbJf2svdFkKt7bUUdV_6oWPQtzrrJy.mbMiVYornRDGOSVW.I-fvsWvPFELE.Km\
     JkAGyKD5OlLOxkCRpywQ",
    "eyJhbGciOiJFQ0RILUVTK0EyNTZLVyIsImVuYyI6IkEyNTZHQ00iLCJhcHUiOiJRV3hwWTJVIiwiYXB2Ijoi\
     UW05aSIsImVwayI6eyJrdHkiOiJFQyIsImNydiI6IlAtMjU2IiwieCI6ImdJMEdBSUxCZHU3VDUzYWtyRm1N\
     eUdjc0YzbjVkTzdNbXdOQkhLVzVTVjAiLCJ5IjoiU0xXX3hTZmZ6bFBXckhFVkkzMERITV80ZWdWd3QzTlFx\
     ZVVEN25NRnBwcyJ9fQ.ngN2PwtpQSAb4uvBZbEMuR-glyoPu8omm37SxULu9D6oxlrfg5VOAw.ZplHb1oxNc\
     ZJDSsz.RQwiNm_Gr2dL.7otqqAN5KaIIKz_8Bjq97Q",
];

/// An RSA key of the same program, PKCS #8; it is used here alone.
pub(super) const RSA_KEY: &str = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDqB8cnOsgoikbOD4-EwaH6bBlvaSZFIdVR\
     CML9jkn3J5aZa7cJwm3LiEsVx_gyhG6GKToG8yiLN6hlKQLCalT4YTrfqoD39M2yu2RG5W9azBdJCWuDWM93\
     IbW85X5dNkoS60yeOqAm3kKG2f_Ky_RVXU7oCF8u7DcVnxUsdQ--hLPwtuz1tjaPnBHBrSEvb0uyPCRcn3WP\
     yHG2lDHcdTtY0xFISnBBAad22e78x502iZX0dPGunHVnOcnJgtGto6_AHGV-5MTLcwkenOUkITZXudxkpuP8\
     RAbpTGUuNuAtvSnZ4Jrdj_s_aNB7zgoma4s82ck0vGrWlLkiG4Si08tfAgMBAAECggEAImszbH8WKfQwNqUO\
     N_mcX26fjQWbZcZ0j37o4o6XLTzKxtSTLmHEcQ8h79mhlJhqgtu0V4pSd6sfXoVaDQrDZWYzWOrEHfOIfxVV\
     SaH7rxBeClVS1RXuKTixeE8ONxpBaafmdEzt-dltUlTkbEhzrkxTSwfUK9v8u_bSD-BFiQDGSPfGa0V5po2x\
     qCgpWIXeTgwMPiBAwHBcNJw9NXwEkTSmr581Yla9doBy8DWGkQUVdZFqutXSKoVbb3cP9lA23aqZRXxxXJ8E\
     YBmWp0HwlYYBCYaucEdOvqJEqhDd1Um289EO1_ts4MQmnJ7vrIT3nRgLN6dWLxIb1TLyLjiftQKBgQD7_gdG\
     WVJC7S6zZtc2JTPGEaDGtxcx1hayFWH5bsFgVazYXebKdofIiu7pcCvr7cfurwb6IMy61QYEc5XffGbCiigf\
     AxC3DqGkZR3gpNdhsuyxcVKRPdKEZt19TeBwBJaASYpw1v0EyukQBTIySJIYpDR6wJQLy1-fjz2SlfFvMwKB\
     gQDtwJ5gXxDcP1yrgLOx_0VQYGNsJNJpE75Y9lKrH2JJtYV_F_FVI8gAsxu1QPPaA1MBHsLimsV9ZN0KMpL2\
     U2PAtl-bRlSb2_aC6DdnmOPRO1QoesfEkYl0AlwerJ_MyQCD_mAAHNnUM19ubNHwPJlXWAwZaGqrck5f22HO\
     e1pjJQKBgQDTo3x0pxwhvZZVcnAZt5EOL0v62VcPsiEJnE_W8CBVSl-KsQLe1EIiOh2BzYX19pTOcA3KEbYg\
     zDzrjDA5rP-ZL_OWaDqnpBA6Q_qd65RBJ8cHGIgiF-ww6zvmu3teWVwVjq5JKycB2XF41QRdmvmo3HB_EDLG\
     3R4IooMyE-DcZQKBgEEfNIJTJ8wcMubrDs1fjX3RmQoDH_sWJFo7xjMHGqXz6YgBZ-IZNewzIxDHpMN_i5nP\
     8jOdjyCkowLrDWQZPUaI7bEbV4uFeYUr1Bk1QJmL9aZM0zEdaBf1mYPxZqfyGokNAQCm5meAVtBpUCvMfXf2\
     LwI6npUtbxhEgArNsNldAoGAIWgydVXJYQ_LPUE5On6taXcAcrTUaoFX7Ah3_6G8A18iWMkJlfZw881_sqXG\
     0WWWAvd9gsJGlOlKFqb1aPxALgcSo1DBO2oWFt2rAa2jVDqh2OJ1mxtKsvZxybX0u41CSYgX0DlhLuWzed2Y\
     q1HyrExjzdgLiGn4fAHl6ak-vu8";
/// A message to it.
pub(super) const RSA: &str = "eyJhbGciOiJSU0EtT0FFUC0yNTYiLCJlbmMiOiJBMjU2R0NNIn0.Ci4tovYlXlufY6h62RI7ys0VtWh1GzJs\
     EsrMn5St5wl7wL0n3XMWyEAUZ7KZn4f3LYT-bijWNSHvPfKywqWpzDn82AmE-JjQiMWpkvJKlTWKlclyKCjZ\
     Pn8UMWMjl2sHLUno4iSGYhWon3o83vmwiyaIQra5M6Df3D1QAyaRTRF8TM2S7bfQEaWIRPN1qUXF_wP1rGlT\
     8uCPaM0gwrMham7iH5dlFJda-onB8XFGAvFQVhsuKiDiMuWnVfSPc1pjPwmruqMRk1PjBA_IQItsksXQzMTU\
     ohhOftbq9fC1vgzer4WDkIK5eKawOROTt-IxnygyCbMi3-FfyE_Tv4Qg_g.7KP8A2NwkW-Y0Sgd.lREUEcqB\
     pHY1.1sUsw-ICW02eQDGt020lsQ";
/// What the messages of that program say.
pub(super) const MESSAGE: &str = "a message";
