"""Spanish. Pure."""

TEXTS = {
    # what is wrong with a field
    "required": "Rellene este campo.",
    "required_box": "Marque esta casilla.",
    "required_choice": "Seleccione una opción.",
    "too_short": "Escriba al menos {limit} caracteres.",
    "too_short_1": "Escriba al menos un carácter.",
    "too_long": "Escriba como máximo {limit} caracteres.",
    "too_long_1": "Escriba como máximo un carácter.",
    "too_small": "El valor debe ser mayor o igual que {limit}.",
    "too_large": "El valor debe ser menor o igual que {limit}.",
    "not_above": "El valor debe ser mayor que {limit}.",
    "not_below": "El valor debe ser menor que {limit}.",
    "not_multiple": "El valor debe ser un múltiplo de {limit}.",
    "no_integer": "Introduzca un número entero, por ejemplo 3.",
    "no_number": "Introduzca un número, por ejemplo 3.5.",
    "no_boolean": "Responda sí o no.",
    "no_list": "Aquí se espera una lista de respuestas.",
    "no_text": "Introduzca un texto.",
    "no_email": "Introduzca una dirección de correo electrónico, por ejemplo nombre@example.com.",
    "no_url": "Introduzca una dirección web, por ejemplo https://example.com.",
    "no_date": "Introduzca una fecha, por ejemplo 2026-01-31.",
    "no_time": "Introduzca una hora, por ejemplo 14:30:00Z.",
    "no_date_time": "Introduzca una fecha y una hora, por ejemplo 2026-01-31T14:30:00Z.",
    "no_option": "Seleccione una de las opciones.",
    "wrong_form": "Utilice el formato solicitado.",
    "too_few": "Seleccione al menos {limit} opciones.",
    "too_few_1": "Seleccione al menos una opción.",
    "too_many": "Seleccione como máximo {limit} opciones.",
    "too_many_1": "Seleccione como máximo una opción.",
    "repeated": "Indique cada respuesta una sola vez.",
    "unknown_fields": "Este formulario no tiene ese campo: {names}.",
    "too_many_files": "Seleccione como máximo {limit} archivos.",
    "too_many_files_1": "Seleccione como máximo un archivo.",
    "file_too_large": "{names} es demasiado grande. El tamaño máximo es de {limit}.",
    "file_type": "{names}: este tipo de archivo no está permitido. Tipos permitidos: {limit}.",
    "files_image": "imágenes",
    "files_pdf": "PDF",
    "files_document": "documentos",
    "files_text": "texto",
    "files_audio": "audio",
    "files_video": "vídeo",
    "files_archive": "archivos comprimidos",
    "file_wanted": (
        "Seleccione un archivo. Solo se ha recibido texto: al formulario le falta"
        ' enctype="multipart/form-data".'
    ),
    "name_too_long": "El nombre de este campo tiene más de {limit} caracteres.",
    "nests_too_deep": "El nombre de este campo supera los {limit} niveles de anidamiento.",
    "nests_unclear": (
        "[] solo se permite al final del nombre de un campo; en otra posición, use un número,"
        " como en a[0][b]."
    ),
    "sent_both_ways": "Este campo se ha enviado a la vez como un valor simple y como un objeto.",
    "not_in_charset": "Este texto no es válido en el juego de caracteres {limit}.",
    "wrong": "Revise esta respuesta.",
    # why a form is not taken
    "refused_invalid": "Revise algunas de sus respuestas.",
    "refused_unreadable": "Los datos enviados no se pueden leer como un formulario.",
    "refused_bad_request": "Los datos enviados no se pueden leer como un formulario.",
    "refused_unknown_type": (
        "Los datos enviados tienen un tipo de contenido que los formularios no usan."
    ),
    "refused_unknown_charset": "Los datos enviados usan un juego de caracteres desconocido.",
    "refused_encoded": "Los datos enviados están comprimidos. Envíe el formulario sin comprimir.",
    "refused_cut_short": (
        "La conexión se ha interrumpido antes de recibirlo todo. Vuelva a enviar el formulario."
    ),
    "refused_too_large": "Los datos enviados son demasiado grandes.",
    "refused_too_many_fields": (
        "El formulario tiene demasiados campos. Se permiten {most} como máximo."
    ),
    "refused_too_many": "Demasiados envíos en poco tiempo. Inténtelo de nuevo más tarde.",
    "refused_busy": "El servidor está muy ocupado. Inténtelo de nuevo en unos instantes.",
    "refused_store_failed": "No se ha podido guardar su mensaje. Inténtelo de nuevo.",
    "refused_used_before": (
        "Este formulario ya se ha enviado. Revise sus respuestas y vuelva a enviarlo."
    ),
    "refused_expired": (
        "Este formulario ha estado abierto demasiado tiempo. Revise sus respuestas y vuelva a"
        " enviarlo."
    ),
    "refused_origin_not_allowed": "Este formulario no se puede enviar desde este sitio web.",
    "refused_files_not_supported": "Este formulario no acepta archivos.",
    "refused_files_full": (
        "Este formulario no puede aceptar más archivos en este momento. Envíelo sin archivos o"
        " inténtelo más tarde."
    ),
    "refused_daily_bytes_full": (
        "Este formulario no acepta más envíos hoy. Inténtelo de nuevo mañana."
    ),
    "refused_disk_full": (
        "Este formulario no puede aceptar envíos en este momento. Inténtelo de nuevo más tarde."
    ),
    "refused_empty": "El formulario está vacío. Rellénelo.",
    "refused_file_type": "Este tipo de archivo no está permitido.",
    "refused_method_not_allowed": (
        "No hay ninguna página en esta dirección. Solo recibe formularios enviados."
    ),
    "refused_internal_error": "Se ha producido un error. Inténtelo de nuevo.",
    "refused_no_form": "No hay ningún formulario en esta dirección.",
    # pages
    "sent_title": "Gracias",
    "sent_text": "Hemos recibido su mensaje.",
    "failed_title": "No enviado",
    "problems_title": "Revise sus respuestas",
    "problem_in_title": "Aún no se ha enviado: {title}",
    "whole_form": "Formulario",
    "optional": "opcional",
    "submit": "Enviar",
    "sending": "Enviando…",
    "choose": "Seleccione una opción",
    "nothing_chosen": "Sin respuesta",
    "honeypot": "Deje este campo vacío",
    "needs_script": "Active JavaScript para enviar este formulario.",
    "files_again": "Seleccione de nuevo sus archivos.",
    "too_much_to_show": (
        "Su texto es demasiado largo para mostrarlo aquí. Use el botón «Atrás» de su navegador"
        " para volver a él."
    ),
    "not_reached": "Su mensaje no se ha enviado porque ha fallado la conexión. Inténtelo de nuevo.",
    "open_form": "Abrir el formulario",
    "to_form": "Volver al formulario",
    "back_to": "Volver a {site}",
    "example_name": "Nombre",
    "example_email": "Correo electrónico",
    "example_message": "Mensaje",
}
