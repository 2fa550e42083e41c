"""German. Pure."""

TEXTS = {
    # what is wrong with a field
    "required": "Bitte ausfüllen.",
    "required_box": "Bitte ankreuzen.",
    "required_choice": "Bitte wählen.",
    "too_short": "Bitte mindestens {limit} Zeichen.",
    "too_short_1": "Bitte mindestens ein Zeichen.",
    "too_long": "Bitte höchstens {limit} Zeichen.",
    "too_long_1": "Bitte höchstens ein Zeichen.",
    "too_small": "Bitte {limit} oder mehr.",
    "too_large": "Bitte {limit} oder weniger.",
    "not_above": "Bitte mehr als {limit}.",
    "not_below": "Bitte weniger als {limit}.",
    "not_multiple": "Bitte ein Vielfaches von {limit}.",
    "no_integer": "Bitte eine ganze Zahl, zum Beispiel 3.",
    "no_number": "Bitte eine Zahl, zum Beispiel 3.5.",
    "no_boolean": "Bitte ja oder nein.",
    "no_list": "Hier werden mehrere Antworten erwartet.",
    "no_text": "Bitte einen Text.",
    "no_email": "Bitte eine E-Mail-Adresse, zum Beispiel name@example.com.",
    "no_url": "Bitte eine Web-Adresse, zum Beispiel https://example.com.",
    "no_date": "Bitte ein Datum, zum Beispiel 2026-01-31.",
    "no_time": "Bitte eine Uhrzeit, zum Beispiel 14:30:00Z.",
    "no_date_time": "Bitte ein Datum mit Uhrzeit, zum Beispiel 2026-01-31T14:30:00Z.",
    "no_option": "Bitte eine der angebotenen Antworten wählen.",
    "wrong_form": "Das hat nicht die verlangte Form.",
    "too_few": "Bitte mindestens {limit} wählen.",
    "too_few_1": "Bitte mindestens eine Antwort wählen.",
    "too_many": "Bitte höchstens {limit} wählen.",
    "too_many_1": "Bitte höchstens eine Antwort wählen.",
    "repeated": "Bitte jede Antwort nur einmal.",
    "unknown_fields": "Ein solches Feld hat dieses Formular nicht: {names}.",
    "too_many_files": "Höchstens {limit} Dateien, bitte.",
    "too_many_files_1": "Höchstens eine Datei, bitte.",
    "file_too_large": "{names} ist zu groß: Bitte höchstens {limit}.",
    "file_type": "{names}: Diese Art von Datei wird nicht angenommen. Angenommen werden: {limit}.",
    "files_image": "Bilder",
    "files_pdf": "PDF",
    "files_document": "Dokumente",
    "files_text": "Text",
    "files_audio": "Audio",
    "files_video": "Video",
    "files_archive": "Archive",
    "file_wanted": (
        "Hier wird eine Datei erwartet, und es kam nur Text: Dem Formular fehlt"
        ' enctype="multipart/form-data".'
    ),
    "name_too_long": "Der Name dieses Feldes hat mehr als {limit} Zeichen.",
    "nests_too_deep": "Der Name dieses Feldes ist tiefer als {limit} Ebenen verschachtelt.",
    "nests_unclear": (
        "[] darf nur am Ende des Namens eines Feldes stehen; sonst sagt eine Zahl, welches gemeint"
        " ist, wie in a[0][b]."
    ),
    "sent_both_ways": "Dieses Feld kam sowohl als ein Wert als auch als eines mit Teilen an.",
    "not_in_charset": "Das ist nicht im Zeichensatz {limit}.",
    "wrong": "Das stimmt so nicht.",
    # why a form is not taken
    "refused_invalid": "Einige Antworten stimmen noch nicht.",
    "refused_unreadable": "Was gesendet wurde, lässt sich nicht als Formular lesen.",
    "refused_bad_request": "Was gesendet wurde, lässt sich nicht als Formular lesen.",
    "refused_unknown_type": (
        "Was gesendet wurde, ist von keiner Art, in der Formulare gesendet werden."
    ),
    "refused_unknown_charset": (
        "Was gesendet wurde, ist in einem Zeichensatz, der hier nicht bekannt ist."
    ),
    "refused_encoded": "Was gesendet wurde, ist komprimiert; Formulare sind das nicht.",
    "refused_cut_short": "Die Verbindung brach ab, bevor alles ankam. Bitte noch einmal senden.",
    "refused_too_large": "Was gesendet wurde, ist zu groß.",
    "refused_too_many_fields": (
        "Was gesendet wurde, hat zu viele Felder; höchstens {most} werden angenommen."
    ),
    "refused_too_many": "Von hier kam in kurzer Zeit zu viel. Bitte später noch einmal versuchen.",
    "refused_busy": "Im Augenblick wird sehr viel gesendet. Bitte später noch einmal versuchen.",
    "refused_store_failed": (
        "Ihre Nachricht ließ sich gerade nicht aufbewahren. Bitte noch einmal senden."
    ),
    "refused_used_before": (
        "Dieses Formular wurde schon einmal gesendet. Bitte prüfen Sie es und senden Sie es noch"
        " einmal."
    ),
    "refused_expired": (
        "Dieses Formular war lange offen. Bitte sehen Sie es durch und senden Sie es noch einmal."
    ),
    "refused_origin_not_allowed": "Von dieser Website aus lässt sich dieses Formular nicht senden.",
    "refused_files_not_supported": "Dieses Formular nimmt keine Dateien an.",
    "refused_files_full": (
        "Für dieses Formular ist gerade kein Platz für Dateien. Bitte ohne Dateien senden, oder"
        " später noch einmal."
    ),
    "refused_daily_bytes_full": (
        "Dieses Formular nimmt heute nichts mehr an. Bitte senden Sie es morgen noch einmal."
    ),
    "refused_disk_full": (
        "Dieses Formular kann gerade nichts annehmen. Bitte senden Sie es später noch einmal."
    ),
    "refused_empty": "Es wurde nichts ausgefüllt.",
    "refused_file_type": "Diese Art von Datei wird nicht angenommen.",
    "refused_method_not_allowed": (
        "Unter dieser Adresse ist nichts zu sehen: Hierhin wird ein Formular gesendet."
    ),
    "refused_internal_error": "Hier ist etwas schiefgegangen. Bitte noch einmal senden.",
    "refused_no_form": "Unter dieser Adresse gibt es kein Formular.",
    # pages
    "sent_title": "Vielen Dank",
    "sent_text": "Ihre Nachricht ist angekommen.",
    "failed_title": "Nicht gesendet",
    "problems_title": "Bitte prüfen Sie Ihre Antworten",
    "problem_in_title": "Noch nicht gesendet: {title}",
    "whole_form": "Das Formular",
    "optional": "freiwillig",
    "submit": "Senden",
    "sending": "Wird gesendet …",
    "choose": "Bitte wählen",
    "nothing_chosen": "Keine Angabe",
    "honeypot": "Bitte dieses Feld leer lassen",
    "needs_script": "Dieses Formular lässt sich nur mit JavaScript senden.",
    "files_again": "Bitte wählen Sie Ihre Dateien noch einmal aus.",
    "too_much_to_show": (
        "Ihr Text ist zu lang, um hier zu stehen. Mit der Zurück-Taste des Browsers finden Sie ihn"
        " wieder."
    ),
    "not_reached": (
        "Nichts wurde gesendet: Die Verbindung kam nicht zustande. Bitte noch einmal versuchen."
    ),
    "open_form": "Zum Formular",
    "to_form": "Zurück zum Formular",
    "back_to": "Zurück zu {site}",
    "example_name": "Name",
    "example_email": "E-Mail",
    "example_message": "Nachricht",
}
