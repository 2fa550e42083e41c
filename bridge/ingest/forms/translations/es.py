"""Spanish. Pure."""

TEXTS = {
    # what is wrong with a field
    "required": "Rellene este campo, por favor.",
    "required_box": "Marque esta casilla, por favor.",
    "required_choice": "Elija, por favor.",
    "too_short": "Al menos {limit} caracteres, por favor.",
    "too_short_1": "Al menos un carácter, por favor.",
    "too_long": "Como máximo {limit} caracteres, por favor.",
    "too_long_1": "Como máximo un carácter, por favor.",
    "too_small": "El valor debe ser {limit} o más.",
    "too_large": "El valor debe ser {limit} o menos.",
    "not_above": "El valor debe ser mayor que {limit}.",
    "not_below": "El valor debe ser menor que {limit}.",
    "not_multiple": "El valor debe ser un múltiplo de {limit}.",
    "no_integer": "Un número entero, por favor, por ejemplo 3.",
    "no_number": "Un número, por favor, por ejemplo 3.5.",
    "no_boolean": "Sí o no, por favor.",
    "no_list": "Aquí se esperan varias respuestas.",
    "no_text": "Un texto, por favor.",
    "no_email": "Una dirección de correo, por favor, por ejemplo nombre@example.com.",
    "no_url": "Una dirección web, por favor, por ejemplo https://example.com.",
    "no_date": "Una fecha, por favor, por ejemplo 2026-01-31.",
    "no_time": "Una hora, por favor, por ejemplo 14:30:00Z.",
    "no_date_time": "Una fecha con hora, por favor, por ejemplo 2026-01-31T14:30:00Z.",
    "no_option": "Elija una de las respuestas ofrecidas, por favor.",
    "wrong_form": "Esto no tiene la forma que se pide.",
    "too_few": "Elija al menos {limit}, por favor.",
    "too_few_1": "Elija al menos una, por favor.",
    "too_many": "Elija como máximo {limit}, por favor.",
    "too_many_1": "Elija como máximo una, por favor.",
    "repeated": "Dé cada respuesta una sola vez, por favor.",
    "unknown_fields": "Este formulario no tiene ese campo: {names}.",
    "too_many_files": "Como máximo {limit} archivos, por favor.",
    "too_many_files_1": "Como máximo un archivo, por favor.",
    "file_too_large": "{names} es demasiado grande: como máximo {limit}, por favor.",
    "file_type": "{names}: este tipo de archivo no se acepta. Se aceptan: {limit}.",
    "files_image": "imágenes",
    "files_pdf": "PDF",
    "files_document": "documentos",
    "files_text": "texto",
    "files_audio": "audio",
    "files_video": "vídeo",
    "files_archive": "archivos comprimidos",
    "file_wanted": (
        "Aquí se espera un archivo, y solo llegó texto: al formulario le falta"
        ' enctype="multipart/form-data".'
    ),
    "name_too_long": "El nombre de este campo tiene más de {limit} caracteres.",
    "nests_too_deep": "El nombre de este campo tiene más de {limit} niveles.",
    "nests_unclear": (
        "[] solo puede estar al final del nombre de un campo; en medio, un número dice cuál es,"
        " como en a[0][b]."
    ),
    "sent_both_ways": "Este campo llegó a la vez como un valor y con miembros.",
    "not_in_charset": "Esto no está en el juego de caracteres {limit}.",
    "wrong": "Esto no es correcto.",
    # why a form is not taken
    "refused_invalid": "Algunas respuestas aún no son correctas.",
    "refused_unreadable": "Lo enviado no se puede leer como un formulario.",
    "refused_bad_request": "Lo enviado no se puede leer como un formulario.",
    "refused_unknown_type": "Lo que se envió no es de un tipo en que se envían formularios.",
    "refused_unknown_charset": (
        "Lo que se envió está en un juego de caracteres que aquí no se conoce."
    ),
    "refused_encoded": "Lo que se envió está comprimido, y un formulario no lo está.",
    "refused_cut_short": (
        "La conexión se cortó antes de que llegara todo. Envíelo de nuevo, por favor."
    ),
    "refused_too_large": "Lo enviado es demasiado grande.",
    "refused_too_many_fields": (
        "Lo que se envió tiene demasiados campos; se aceptan {most} como máximo."
    ),
    "refused_too_many": (
        "Se envió demasiado desde aquí en poco tiempo. Inténtelo de nuevo un poco más tarde, por"
        " favor."
    ),
    "refused_busy": (
        "Ahora mismo se está enviando mucho. Inténtelo de nuevo un poco más tarde, por favor."
    ),
    "refused_store_failed": "Su mensaje no se pudo guardar. Envíelo de nuevo, por favor.",
    "refused_used_before": "Este formulario ya se envió. Revíselo y envíelo de nuevo, por favor.",
    "refused_expired": (
        "Este formulario estuvo abierto mucho tiempo. Revíselo y envíelo de nuevo, por favor."
    ),
    "refused_origin_not_allowed": "Este formulario no se puede enviar desde este sitio.",
    "refused_files_not_supported": "Este formulario no acepta archivos.",
    "refused_files_full": (
        "Este formulario no tiene sitio para más archivos ahora. Envíelo sin archivos o inténtelo"
        " más tarde, por favor."
    ),
    "refused_daily_bytes_full": (
        "Este formulario no acepta nada más hoy. Envíelo de nuevo mañana, por favor."
    ),
    "refused_disk_full": (
        "Este formulario no puede aceptar nada ahora. Envíelo de nuevo más tarde, por favor."
    ),
    "refused_empty": "No se rellenó nada.",
    "refused_file_type": "Este tipo de archivo no se acepta.",
    "refused_method_not_allowed": (
        "En esta dirección no hay nada que ver: es adonde se envía un formulario."
    ),
    "refused_internal_error": "Algo ha fallado aquí. Envíelo de nuevo, por favor.",
    "refused_no_form": "No hay ningún formulario en esta dirección.",
    # pages
    "sent_title": "Gracias",
    "sent_text": "Hemos recibido su mensaje.",
    "failed_title": "No enviado",
    "problems_title": "Revise sus respuestas, por favor",
    "problem_in_title": "Aún no enviado: {title}",
    "whole_form": "El formulario",
    "optional": "opcional",
    "submit": "Enviar",
    "sending": "Enviando…",
    "choose": "Elija, por favor",
    "nothing_chosen": "Ninguna respuesta",
    "honeypot": "Deje este campo vacío, por favor",
    "needs_script": "Este formulario solo se puede enviar con JavaScript.",
    "files_again": "Elija de nuevo sus archivos, por favor.",
    "too_much_to_show": (
        "Su texto es demasiado largo para mostrarlo aquí. Con el botón «atrás» del navegador lo"
        " encontrará de nuevo."
    ),
    "not_reached": "No se envió nada: falló la conexión. Inténtelo de nuevo, por favor.",
    "open_form": "Abrir el formulario",
    "to_form": "Volver al formulario",
    "back_to": "Volver a {site}",
    "example_name": "Nombre",
    "example_email": "Correo electrónico",
    "example_message": "Mensaje",
}
