"""German. Pure."""

TEXTS = {
    # what is wrong with a field
    "required": "Bitte füllen Sie dieses Feld aus.",
    "required_box": "Bitte kreuzen Sie dieses Feld an.",
    "required_choice": "Bitte treffen Sie eine Auswahl.",
    "too_short": "Bitte geben Sie mindestens {limit} Zeichen ein.",
    "too_short_1": "Bitte geben Sie mindestens ein Zeichen ein.",
    "too_long": "Bitte geben Sie höchstens {limit} Zeichen ein.",
    "too_long_1": "Bitte geben Sie höchstens ein Zeichen ein.",
    "too_small": "Bitte geben Sie mindestens {limit} ein.",
    "too_large": "Bitte geben Sie höchstens {limit} ein.",
    "not_above": "Bitte geben Sie einen Wert über {limit} ein.",
    "not_below": "Bitte geben Sie einen Wert unter {limit} ein.",
    "not_multiple": "Bitte geben Sie ein Vielfaches von {limit} ein.",
    "no_integer": "Bitte geben Sie eine ganze Zahl ein, zum Beispiel 3.",
    "no_number": "Bitte geben Sie eine Zahl ein, zum Beispiel 3.5.",
    "no_boolean": "Bitte antworten Sie mit Ja oder Nein.",
    "no_list": "Hier ist eine Liste von Antworten erforderlich.",
    "no_text": "Bitte geben Sie einen Text ein.",
    "no_email": "Bitte geben Sie eine E-Mail-Adresse ein, zum Beispiel name@example.com.",
    "no_url": "Bitte geben Sie eine Webadresse ein, zum Beispiel https://example.com.",
    "no_date": "Bitte geben Sie ein Datum ein, zum Beispiel 2026-01-31.",
    "no_time": "Bitte geben Sie eine Uhrzeit ein, zum Beispiel 14:30:00Z.",
    "no_date_time": "Bitte geben Sie Datum und Uhrzeit ein, zum Beispiel 2026-01-31T14:30:00Z.",
    "no_option": "Bitte wählen Sie eine der Optionen.",
    "wrong_form": "Bitte halten Sie sich an das vorgegebene Format.",
    "too_few": "Bitte wählen Sie mindestens {limit} Optionen.",
    "too_few_1": "Bitte wählen Sie mindestens eine Option.",
    "too_many": "Bitte wählen Sie höchstens {limit} Optionen.",
    "too_many_1": "Bitte wählen Sie höchstens eine Option.",
    "repeated": "Bitte geben Sie jede Antwort nur einmal an.",
    "unknown_fields": "Dieses Formular hat kein solches Feld: {names}.",
    "too_many_files": "Bitte wählen Sie höchstens {limit} Dateien.",
    "too_many_files_1": "Bitte wählen Sie höchstens eine Datei.",
    "file_too_large": "{names} ist zu groß. Erlaubt sind höchstens {limit}.",
    "file_type": "{names}: Dieser Dateityp ist nicht erlaubt. Erlaubt sind: {limit}.",
    "files_image": "Bilder",
    "files_pdf": "PDF",
    "files_document": "Dokumente",
    "files_text": "Text",
    "files_audio": "Audio",
    "files_video": "Video",
    "files_archive": "Archive",
    "file_wanted": (
        "Bitte wählen Sie eine Datei. Es wurde nur Text übertragen: Dem Formular fehlt"
        ' enctype="multipart/form-data".'
    ),
    "name_too_long": "Der Name dieses Feldes ist länger als {limit} Zeichen.",
    "nests_too_deep": "Der Name dieses Feldes ist tiefer als {limit} Ebenen verschachtelt.",
    "nests_unclear": (
        "[] ist nur am Ende eines Feldnamens erlaubt; verwenden Sie sonst eine Zahl, wie in"
        " a[0][b]."
    ),
    "sent_both_ways": "Dieses Feld wurde sowohl als einzelner Wert als auch als Objekt gesendet.",
    "not_in_charset": "Dieser Text ist im Zeichensatz {limit} nicht gültig.",
    "wrong": "Bitte prüfen Sie diese Angabe.",
    # why a form is not taken
    "refused_invalid": "Bitte prüfen Sie einige Ihrer Angaben.",
    "refused_unreadable": "Die Daten ließen sich nicht als Formular lesen.",
    "refused_bad_request": "Die Daten ließen sich nicht als Formular lesen.",
    "refused_unknown_type": "Die Daten haben einen Inhaltstyp, den Formulare nicht verwenden.",
    "refused_unknown_charset": "Die Daten verwenden einen unbekannten Zeichensatz.",
    "refused_encoded": "Die Daten sind komprimiert. Bitte senden Sie das Formular unkomprimiert.",
    "refused_cut_short": (
        "Die Verbindung wurde unterbrochen, bevor alles angekommen war. Bitte senden Sie das"
        " Formular noch einmal."
    ),
    "refused_too_large": "Die gesendeten Daten sind zu groß.",
    "refused_too_many_fields": "Das Formular hat zu viele Felder. Erlaubt sind höchstens {most}.",
    "refused_too_many": (
        "Zu viele Einsendungen in kurzer Zeit. Bitte versuchen Sie es später noch einmal."
    ),
    "refused_busy": "Der Server ist gerade ausgelastet. Bitte versuchen Sie es gleich noch einmal.",
    "refused_store_failed": (
        "Ihre Nachricht konnte nicht gespeichert werden. Bitte versuchen Sie es noch einmal."
    ),
    "refused_used_before": (
        "Dieses Formular wurde bereits gesendet. Bitte prüfen Sie Ihre Angaben und senden Sie"
        " es noch einmal."
    ),
    "refused_expired": (
        "Dieses Formular war zu lange geöffnet. Bitte prüfen Sie Ihre Angaben und senden Sie"
        " es noch einmal."
    ),
    "refused_origin_not_allowed": (
        "Dieses Formular kann von dieser Website aus nicht gesendet werden."
    ),
    "refused_files_not_supported": "Dieses Formular nimmt keine Dateien an.",
    "refused_files_full": (
        "Dieses Formular kann gerade keine weiteren Dateien annehmen. Bitte senden Sie es ohne"
        " Dateien oder versuchen Sie es später noch einmal."
    ),
    "refused_daily_bytes_full": (
        "Dieses Formular nimmt heute keine weiteren Einsendungen an. Bitte versuchen Sie es"
        " morgen noch einmal."
    ),
    "refused_disk_full": (
        "Dieses Formular kann gerade keine Einsendungen annehmen. Bitte versuchen Sie es"
        " später noch einmal."
    ),
    "refused_empty": "Das Formular ist leer. Bitte füllen Sie es aus.",
    "refused_file_type": "Dieser Dateityp ist nicht erlaubt.",
    "refused_method_not_allowed": (
        "Unter dieser Adresse gibt es keine Seite. Sie nimmt nur gesendete Formulare an."
    ),
    "refused_internal_error": "Es ist ein Fehler aufgetreten. Bitte versuchen Sie es noch einmal.",
    "refused_no_form": "Unter dieser Adresse gibt es kein Formular.",
    # pages
    "sent_title": "Vielen Dank",
    "sent_text": "Ihre Nachricht ist angekommen.",
    "failed_title": "Nicht gesendet",
    "problems_title": "Bitte prüfen Sie Ihre Angaben",
    "problem_in_title": "Noch nicht gesendet: {title}",
    "whole_form": "Formular",
    "optional": "optional",
    "submit": "Senden",
    "sending": "Wird gesendet …",
    "choose": "Bitte auswählen",
    "nothing_chosen": "Keine Angabe",
    "honeypot": "Bitte lassen Sie dieses Feld leer",
    "needs_script": "Bitte aktivieren Sie JavaScript, um dieses Formular zu senden.",
    "files_again": "Bitte wählen Sie Ihre Dateien noch einmal aus.",
    "too_much_to_show": (
        "Ihr Text ist zu lang, um hier angezeigt zu werden. Mit der Zurück-Taste Ihres"
        " Browsers gelangen Sie wieder zu ihm."
    ),
    "not_reached": (
        "Ihre Nachricht wurde nicht gesendet, weil die Verbindung fehlgeschlagen ist. Bitte"
        " versuchen Sie es noch einmal."
    ),
    "open_form": "Zum Formular",
    "to_form": "Zurück zum Formular",
    "back_to": "Zurück zu {site}",
    "example_name": "Name",
    "example_email": "E-Mail",
    "example_message": "Nachricht",
}
