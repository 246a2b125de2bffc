/**
 * What Windows, Office or a common program runs, mounts or installs when it is opened. The list that
 * Exchange shipped, and what attackers have moved to since. State of 2026-11; ordered by kind.
 */
export const FORBIDDEN_NAMES: readonly string[] = Object.freeze([
  // Programs, installers, packages.
  ...["*.exe", "*.com", "*.scr", "*.pif", "*.cpl", "*.msi", "*.msp", "*.mst", "*.msix", "*.appx"],
  ...["*.msixbundle", "*.appxbundle", "*.appinstaller", "*.app", "*.ops", "*.prg", "*.fxp"],
  ...["*.jar", "*.jnlp", "*.xll", "*.wll", "*.gadget", "*.application", "*.appref-ms", "*.dll"],
  ...["*.ocx", "*.sys"],
  // Scripts.
  ...["*.bat", "*.cmd", "*.btm", "*.js", "*.jse", "*.vb", "*.vbe", "*.vbs", "*.ws", "*.wsf"],
  ...["*.wsc", "*.wsh", "*.sct", "*.hta", "*.csh", "*.ksh", "*.bas", "*.asx", "*.shb", "*.shs"],
  ...["*.ps1", "*.ps1xml", "*.ps2", "*.ps2xml", "*.ps11", "*.ps11xml", "*.psc1", "*.psc2"],
  ...["*.psm1", "*.psd1", "*.mshxml", "*.msh", "*.msh1", "*.msh2"],
  ...[
    "*.msh1xml",
    "*.msh2xml",
    "*.htc",
    "*.pl",
    "*.py",
    "*.pyc",
    "*.pyo",
    "*.pyw",
    "*.pyz",
    "*.pyzw",
  ],
  ...["*.vbp", "*.vsmacros", "*.xbap", "*.command"],
  // Links and settings that start something.
  ...["*.lnk", "*.url", "*.website", "*.scf", "*.reg", "*.inf", "*.ins", "*.isp", "*.crt"],
  ...["*.library-ms", "*.search-ms", "*.searchconnector-ms", "*.settingcontent-ms", "*.ppkg"],
  ...["*.diagcab", "*.diagpkg", "*.theme", "*.themepack", "*.desktopthemepackfile", "*.xnk"],
  ...["*.rdp", "*.msc", "*.pcd", "*.prf", "*.job", "*.grp"],
  ...[
    "*.appcontent-ms",
    "*.bgi",
    "*.diagcfg",
    "*.msu",
    "*.osd",
    "*.plg",
    "*.printerexport",
    "*.udl",
  ],
  ...["*.vsto", "*.vsw", "*.webpnp", "*.wsb", "*.fileloc", "*.inetloc", "*.terminal", "*.desktop"],
  // Tables that fetch their content, or run what it says.
  ...["*.iqy", "*.oqy", "*.dqy", "*.rqy", "*.slk"],
  // Help and notes that hold programs.
  ...["*.chm", "*.hlp", "*.one", "*.onepkg"],
  // Databases with code.
  ...["*.ade", "*.adp", "*.mda", "*.mdb", "*.mde", "*.mdt", "*.mdw", "*.mdz", "*.accde", "*.accdr"],
  // Disk images: what is inside does not carry the mark of the internet.
  ...["*.iso", "*.img", "*.udf", "*.vhd", "*.vhdx", "*.wim", "*.daa", "*.vmdk"],
]);

/** message/partial and message/external-body (RFC 2046 5.2.2, 5.2.3) pass what nobody has scanned. */
export const FORBIDDEN_TYPES: readonly string[] = Object.freeze([
  "message/partial",
  "message/external-body",
  "application/hta",
  "application/javascript",
  "application/x-javascript",
  "text/javascript",
  "text/scriptlet",
  "application/x-msdownload",
  "application/x-msdos-program",
  "application/x-ms-shortcut",
  "application/x-internet-signup",
  "application/msaccess",
  "application/prg",
]);

/**
 * Words of mail/true-type-words.ts: what the octets are, whatever name and type say. Without those
 * of plain text (script, url, reg), which do nothing under another name.
 */
export const FORBIDDEN_TRUE_TYPES: readonly string[] = Object.freeze([
  ...["pe", "elf", "macho", "msi", "appx", "jar", "java-class", "lnk", "hta", "chm", "hlp"],
  ...["onenote", "iso", "vhd", "vhdx", "wim", "library-ms", "search-ms", "settingcontent-ms"],
]);

/** For `mode: allow`: what offices send each other, and what mail systems and signatures need. */
export const ALLOWED_NAMES: readonly string[] = Object.freeze([
  ...["*.pdf", "*.txt", "*.csv", "*.rtf", "*.docx", "*.xlsx", "*.pptx", "*.odt", "*.ods", "*.odp"],
  ...["*.png", "*.jpg", "*.jpeg", "*.gif", "*.webp", "*.heic", "*.tif", "*.tiff"],
  ...["*.ics", "*.vcf", "*.eml", "*.p7s", "*.asc", "*.sig"],
]);

export const ALLOWED_TYPES: readonly string[] = Object.freeze([
  ...["text/plain", "text/html", "text/csv", "text/calendar", "text/rtf", "text/vcard"],
  ...["text/x-vcard", "text/rfc822-headers", "message/rfc822", "message/delivery-status"],
  ...["message/disposition-notification", "message/feedback-report", "image/*"],
  ...["application/pdf", "application/rtf", "application/ics", "application/octet-stream"],
  ...["application/vnd.openxmlformats-officedocument.*", "application/vnd.oasis.opendocument.*"],
  ...["application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"],
]);
