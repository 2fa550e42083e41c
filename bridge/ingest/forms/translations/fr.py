"""French. Pure."""

TEXTS = {
    # what is wrong with a field
    "required": "Veuillez remplir ce champ.",
    "required_box": "Veuillez cocher cette case.",
    "required_choice": "Veuillez sélectionner une option.",
    "too_short": "Veuillez saisir au moins {limit} caractères.",
    "too_short_1": "Veuillez saisir au moins un caractère.",
    "too_long": "Veuillez saisir au maximum {limit} caractères.",
    "too_long_1": "Veuillez saisir au maximum un caractère.",
    "too_small": "Veuillez saisir une valeur supérieure ou égale à {limit}.",
    "too_large": "Veuillez saisir une valeur inférieure ou égale à {limit}.",
    "not_above": "Veuillez saisir une valeur supérieure à {limit}.",
    "not_below": "Veuillez saisir une valeur inférieure à {limit}.",
    "not_multiple": "Veuillez saisir un multiple de {limit}.",
    "no_integer": "Veuillez saisir un nombre entier, par exemple 3.",
    "no_number": "Veuillez saisir un nombre, par exemple 3.5.",
    "no_boolean": "Veuillez répondre par oui ou non.",
    "no_list": "Une liste de réponses est attendue ici.",
    "no_text": "Veuillez saisir un texte.",
    "no_email": "Veuillez saisir une adresse e-mail, par exemple nom@example.com.",
    "no_url": "Veuillez saisir une adresse web, par exemple https://example.com.",
    "no_date": "Veuillez saisir une date, par exemple 2026-01-31.",
    "no_time": "Veuillez saisir une heure, par exemple 14:30:00Z.",
    "no_date_time": "Veuillez saisir une date et une heure, par exemple 2026-01-31T14:30:00Z.",
    "no_option": "Veuillez choisir l’une des options proposées.",
    "wrong_form": "Veuillez respecter le format demandé.",
    "too_few": "Veuillez sélectionner au moins {limit} options.",
    "too_few_1": "Veuillez sélectionner au moins une option.",
    "too_many": "Veuillez sélectionner au maximum {limit} options.",
    "too_many_1": "Veuillez sélectionner au maximum une option.",
    "repeated": "Veuillez ne donner chaque réponse qu’une seule fois.",
    "unknown_fields": "Ce formulaire ne contient pas ce champ : {names}.",
    "too_many_files": "Veuillez sélectionner au maximum {limit} fichiers.",
    "too_many_files_1": "Veuillez sélectionner un seul fichier.",
    "file_too_large": "{names} est trop volumineux. La taille maximale est de {limit}.",
    "file_type": "{names} : ce type de fichier n’est pas autorisé. Types autorisés : {limit}.",
    "files_image": "images",
    "files_pdf": "PDF",
    "files_document": "documents",
    "files_text": "texte",
    "files_audio": "audio",
    "files_video": "vidéo",
    "files_archive": "archives",
    "file_wanted": (
        "Veuillez sélectionner un fichier. Seul du texte a été reçu : il manque au formulaire"
        ' enctype="multipart/form-data".'
    ),
    "name_too_long": "Le nom de ce champ dépasse {limit} caractères.",
    "nests_too_deep": "Le nom de ce champ dépasse {limit} niveaux d’imbrication.",
    "nests_unclear": (
        "[] n’est autorisé qu’à la fin d’un nom de champ ; ailleurs, utilisez un nombre, comme"
        " dans a[0][b]."
    ),
    "sent_both_ways": "Ce champ a été envoyé à la fois comme une valeur simple et comme un objet.",
    "not_in_charset": "Ce texte n’est pas valide dans le jeu de caractères {limit}.",
    "wrong": "Veuillez vérifier cette réponse.",
    # why a form is not taken
    "refused_invalid": "Certaines réponses sont à corriger.",
    "refused_unreadable": "L’envoi n’a pas pu être lu comme un formulaire.",
    "refused_bad_request": "L’envoi n’a pas pu être lu comme un formulaire.",
    "refused_unknown_type": "L’envoi a un type de contenu que les formulaires n’utilisent pas.",
    "refused_unknown_charset": "L’envoi utilise un jeu de caractères inconnu.",
    "refused_encoded": "L’envoi est compressé. Veuillez envoyer le formulaire sans compression.",
    "refused_cut_short": (
        "La connexion a été interrompue avant la fin de l’envoi. Veuillez renvoyer le formulaire."
    ),
    "refused_too_large": "L’envoi est trop volumineux.",
    "refused_too_many_fields": (
        "Le formulaire contient trop de champs. {most} au maximum sont autorisés."
    ),
    "refused_too_many": "Trop d’envois en peu de temps. Veuillez réessayer plus tard.",
    "refused_busy": "Le serveur est très sollicité. Veuillez réessayer dans un instant.",
    "refused_store_failed": "Votre message n’a pas pu être enregistré. Veuillez réessayer.",
    "refused_used_before": (
        "Ce formulaire a déjà été envoyé. Veuillez vérifier vos réponses et le renvoyer."
    ),
    "refused_expired": (
        "Ce formulaire est resté ouvert trop longtemps. Veuillez vérifier vos réponses et le"
        " renvoyer."
    ),
    "refused_origin_not_allowed": "Ce formulaire ne peut pas être envoyé depuis ce site.",
    "refused_files_not_supported": "Ce formulaire n’accepte pas les fichiers.",
    "refused_files_full": (
        "Ce formulaire ne peut plus accepter de fichiers pour le moment. Veuillez l’envoyer"
        " sans fichier ou réessayer plus tard."
    ),
    "refused_daily_bytes_full": (
        "Ce formulaire n’accepte plus d’envois aujourd’hui. Veuillez réessayer demain."
    ),
    "refused_disk_full": (
        "Ce formulaire ne peut pas accepter d’envois pour le moment. Veuillez réessayer plus tard."
    ),
    "refused_empty": "Le formulaire est vide. Veuillez le remplir.",
    "refused_file_type": "Ce type de fichier n’est pas autorisé.",
    "refused_method_not_allowed": (
        "Il n’y a pas de page à cette adresse. Elle reçoit uniquement les formulaires envoyés."
    ),
    "refused_internal_error": "Une erreur est survenue. Veuillez réessayer.",
    "refused_no_form": "Il n’y a aucun formulaire à cette adresse.",
    # pages
    "sent_title": "Merci",
    "sent_text": "Votre message a bien été reçu.",
    "failed_title": "Échec de l’envoi",
    "problems_title": "Veuillez vérifier vos réponses",
    "problem_in_title": "Pas encore envoyé : {title}",
    "whole_form": "Formulaire",
    "optional": "facultatif",
    "submit": "Envoyer",
    "sending": "Envoi en cours…",
    "choose": "Veuillez sélectionner",
    "nothing_chosen": "Aucune réponse",
    "honeypot": "Veuillez laisser ce champ vide",
    "needs_script": "Veuillez activer JavaScript pour envoyer ce formulaire.",
    "files_again": "Veuillez sélectionner à nouveau vos fichiers.",
    "too_much_to_show": (
        "Votre texte est trop long pour être affiché ici. Utilisez le bouton « Précédent » de"
        " votre navigateur pour le retrouver."
    ),
    "not_reached": (
        "Votre message n’a pas été envoyé, car la connexion a échoué. Veuillez réessayer."
    ),
    "open_form": "Ouvrir le formulaire",
    "to_form": "Retour au formulaire",
    "back_to": "Retour à {site}",
    "example_name": "Nom",
    "example_email": "E-mail",
    "example_message": "Message",
}
