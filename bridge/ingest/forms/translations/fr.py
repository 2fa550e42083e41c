"""French. Pure."""

TEXTS = {
    # what is wrong with a field
    "required": "Veuillez remplir ce champ.",
    "required_box": "Veuillez cocher cette case.",
    "required_choice": "Veuillez choisir.",
    "too_short": "Au moins {limit} caractères, s’il vous plaît.",
    "too_short_1": "Au moins un caractère, s’il vous plaît.",
    "too_long": "Au plus {limit} caractères, s’il vous plaît.",
    "too_long_1": "Au plus un caractère, s’il vous plaît.",
    "too_small": "La valeur doit être au moins {limit}.",
    "too_large": "La valeur doit être au plus {limit}.",
    "not_above": "La valeur doit être supérieure à {limit}.",
    "not_below": "La valeur doit être inférieure à {limit}.",
    "not_multiple": "La valeur doit être un multiple de {limit}.",
    "no_integer": "Un nombre entier, s’il vous plaît, par exemple 3.",
    "no_number": "Un nombre, s’il vous plaît, par exemple 3.5.",
    "no_boolean": "Oui ou non, s’il vous plaît.",
    "no_list": "Plusieurs réponses sont attendues ici.",
    "no_text": "Un texte, s’il vous plaît.",
    "no_email": "Une adresse e-mail, s’il vous plaît, par exemple nom@example.com.",
    "no_url": "Une adresse web, s’il vous plaît, par exemple https://example.com.",
    "no_date": "Une date, s’il vous plaît, par exemple 2026-01-31.",
    "no_time": "Une heure, s’il vous plaît, par exemple 14:30:00Z.",
    "no_date_time": "Une date avec l’heure, s’il vous plaît, par exemple 2026-01-31T14:30:00Z.",
    "no_option": "Veuillez choisir une des réponses proposées.",
    "wrong_form": "Ceci n’a pas la forme demandée.",
    "too_few": "Veuillez en choisir au moins {limit}.",
    "too_few_1": "Veuillez en choisir au moins une.",
    "too_many": "Veuillez en choisir au plus {limit}.",
    "too_many_1": "Veuillez en choisir au plus une.",
    "repeated": "Veuillez donner chaque réponse une seule fois.",
    "unknown_fields": "Ce formulaire n’a pas ce champ : {names}.",
    "too_many_files": "Au plus {limit} fichiers, s’il vous plaît.",
    "too_many_files_1": "Au plus un fichier, s’il vous plaît.",
    "file_too_large": "{names} est trop volumineux : au plus {limit}, s’il vous plaît.",
    "file_type": "{names} : ce type de fichier n’est pas accepté. Acceptés : {limit}.",
    "files_image": "images",
    "files_pdf": "PDF",
    "files_document": "documents",
    "files_text": "texte",
    "files_audio": "audio",
    "files_video": "vidéo",
    "files_archive": "archives",
    "file_wanted": (
        "Un fichier est attendu ici, et seul du texte est arrivé : il manque au formulaire"
        ' enctype="multipart/form-data".'
    ),
    "name_too_long": "Le nom de ce champ a plus de {limit} caractères.",
    "nests_too_deep": "Le nom de ce champ a plus de {limit} niveaux.",
    "nests_unclear": (
        "[] ne peut se trouver qu’à la fin du nom d’un champ ; au milieu, un nombre dit lequel est"
        " visé, comme dans a[0][b]."
    ),
    "sent_both_ways": "Ce champ est arrivé à la fois comme une valeur et avec des membres.",
    "not_in_charset": "Ceci n’est pas dans le jeu de caractères {limit}.",
    "wrong": "Ceci n’est pas correct.",
    # why a form is not taken
    "refused_invalid": "Certaines réponses ne sont pas encore correctes.",
    "refused_unreadable": "Ce qui a été envoyé ne peut pas être lu comme un formulaire.",
    "refused_bad_request": "Ce qui a été envoyé ne peut pas être lu comme un formulaire.",
    "refused_unknown_type": (
        "Ce qui a été envoyé n’est pas d’un type dans lequel on envoie un formulaire."
    ),
    "refused_unknown_charset": "Ce qui a été envoyé est dans un jeu de caractères inconnu ici.",
    "refused_encoded": "Ce qui a été envoyé est compressé, et un formulaire ne l’est pas.",
    "refused_cut_short": "La connexion a été coupée avant que tout soit arrivé. Veuillez renvoyer.",
    "refused_too_large": "Ce qui a été envoyé est trop volumineux.",
    "refused_too_many_fields": (
        "Ce qui a été envoyé a trop de champs ; {most} au plus sont acceptés."
    ),
    "refused_too_many": (
        "Trop d’envois sont venus d’ici en peu de temps. Veuillez réessayer un peu plus tard."
    ),
    "refused_busy": "Beaucoup d’envois arrivent en ce moment. Veuillez réessayer un peu plus tard.",
    "refused_store_failed": "Votre message n’a pas pu être conservé. Veuillez le renvoyer.",
    "refused_used_before": "Ce formulaire a déjà été envoyé. Veuillez le vérifier et le renvoyer.",
    "refused_expired": (
        "Ce formulaire est resté ouvert longtemps. Veuillez le relire et le renvoyer."
    ),
    "refused_origin_not_allowed": "Ce formulaire ne peut pas être envoyé depuis ce site.",
    "refused_files_not_supported": "Ce formulaire n’accepte pas de fichiers.",
    "refused_files_full": (
        "Ce formulaire n’a plus de place pour des fichiers. Veuillez l’envoyer sans fichier, ou"
        " réessayer plus tard."
    ),
    "refused_daily_bytes_full": (
        "Ce formulaire n’accepte plus rien aujourd’hui. Veuillez l’envoyer de nouveau demain."
    ),
    "refused_disk_full": (
        "Ce formulaire ne peut rien accepter pour le moment. Veuillez l’envoyer de nouveau plus"
        " tard."
    ),
    "refused_empty": "Rien n’a été rempli.",
    "refused_file_type": "Ce type de fichier n’est pas accepté.",
    "refused_method_not_allowed": (
        "Il n’y a rien à voir à cette adresse : c’est là qu’un formulaire est envoyé."
    ),
    "refused_internal_error": "Une erreur est survenue ici. Veuillez renvoyer.",
    "refused_no_form": "Il n’y a pas de formulaire à cette adresse.",
    # pages
    "sent_title": "Merci",
    "sent_text": "Votre message a bien été reçu.",
    "failed_title": "Non envoyé",
    "problems_title": "Veuillez vérifier vos réponses",
    "problem_in_title": "Pas encore envoyé : {title}",
    "whole_form": "Le formulaire",
    "optional": "facultatif",
    "submit": "Envoyer",
    "sending": "Envoi en cours…",
    "choose": "Veuillez choisir",
    "nothing_chosen": "Aucune réponse",
    "honeypot": "Veuillez laisser ce champ vide",
    "needs_script": "Ce formulaire ne peut être envoyé qu’avec JavaScript.",
    "files_again": "Veuillez choisir à nouveau vos fichiers.",
    "too_much_to_show": (
        "Votre texte est trop long pour être affiché ici. Le bouton « précédent » du navigateur"
        " vous le rendra."
    ),
    "not_reached": "Rien n’a été envoyé : la connexion a échoué. Veuillez réessayer.",
    "open_form": "Ouvrir le formulaire",
    "to_form": "Retour au formulaire",
    "back_to": "Retour à {site}",
    "example_name": "Nom",
    "example_email": "E-mail",
    "example_message": "Message",
}
