"""English. Pure."""

TEXTS = {
    # what is wrong with a field
    "required": "Please fill this in.",
    "required_box": "Please tick this box.",
    "required_choice": "Please choose.",
    "too_short": "At least {limit} characters, please.",
    "too_short_1": "At least one character, please.",
    "too_long": "At most {limit} characters, please.",
    "too_long_1": "At most one character, please.",
    "too_small": "This must be {limit} or more.",
    "too_large": "This must be {limit} or less.",
    "not_above": "This must be more than {limit}.",
    "not_below": "This must be less than {limit}.",
    "not_multiple": "This must be a multiple of {limit}.",
    "no_integer": "A whole number, please, such as 3.",
    "no_number": "A number, please, such as 3.5.",
    "no_boolean": "Yes or no, please.",
    "no_list": "Several answers are expected here.",
    "no_text": "A text, please.",
    "no_email": "An e-mail address, please, such as name@example.com.",
    "no_url": "A web address, please, such as https://example.com.",
    "no_date": "A date, please, such as 2026-01-31.",
    "no_time": "A time of day, please, such as 14:30:00Z.",
    "no_date_time": "A date with a time, please, such as 2026-01-31T14:30:00Z.",
    "no_option": "Please choose one of the answers that are offered.",
    "wrong_form": "This does not have the form that is asked for.",
    "too_few": "Please choose at least {limit}.",
    "too_few_1": "Please choose at least one.",
    "too_many": "Please choose at most {limit}.",
    "too_many_1": "Please choose at most one.",
    "repeated": "Please give each answer only once.",
    "unknown_fields": "This form has no such field: {names}.",
    "too_many_files": "At most {limit} files, please.",
    "too_many_files_1": "At most one file, please.",
    "file_too_large": "{names} is too large: at most {limit}, please.",
    "file_type": "{names}: This type of file is not accepted. Accepted: {limit}.",
    "files_image": "images",
    "files_pdf": "PDF",
    "files_document": "documents",
    "files_text": "text",
    "files_audio": "audio",
    "files_video": "video",
    "files_archive": "archives",
    "file_wanted": (
        'A file is wanted here, and only text came: the form needs enctype="multipart/form-data".'
    ),
    "name_too_long": "The name of this field has more than {limit} characters.",
    "nests_too_deep": "The name of this field nests deeper than {limit} levels.",
    "nests_unclear": (
        "[] may stand only at the end of the name of a field; in the middle a number says which one"
        " is meant, as in a[0][b]."
    ),
    "sent_both_ways": "This field was sent both as one value and as one with members.",
    "not_in_charset": "This is not in the charset {limit}.",
    "wrong": "This is not right.",
    # why a form is not taken
    "refused_invalid": "Some answers are not right yet.",
    "refused_unreadable": "What was sent cannot be read as a form.",
    "refused_bad_request": "What was sent cannot be read as a form.",
    "refused_unknown_type": "What was sent is not of a type in which forms are sent.",
    "refused_unknown_charset": "What was sent is in a charset that is not known here.",
    "refused_encoded": "What was sent is compressed, and forms are not.",
    "refused_cut_short": (
        "The connection broke off before everything had arrived. Please send it again."
    ),
    "refused_too_large": "What was sent is too large.",
    "refused_too_many_fields": "What was sent has too many fields; at most {most} are taken.",
    "refused_too_many": (
        "Too much was sent from here in a short time. Please try again a little later."
    ),
    "refused_busy": "Very much is being sent at this moment. Please try again a little later.",
    "refused_store_failed": "Your message could not be kept just now. Please send it again.",
    "refused_used_before": (
        "This form has been sent before. Please look through it, and send it again."
    ),
    "refused_expired": (
        "This form was open for a long time. Please look through it, and send it again."
    ),
    "refused_origin_not_allowed": "This form cannot be sent from this site.",
    "refused_files_not_supported": "This form takes no files.",
    "refused_files_full": (
        "This form has no room for more files now. Please send it without files, or try again"
        " later."
    ),
    "refused_daily_bytes_full": "This form takes no more today. Please send it again tomorrow.",
    "refused_disk_full": "This form cannot be taken at the moment. Please send it again later.",
    "refused_empty": "Nothing was filled in.",
    "refused_file_type": "This type of file is not accepted.",
    "refused_method_not_allowed": (
        "Nothing is shown at this address: it is where a form is sent to."
    ),
    "refused_internal_error": "Something went wrong here. Please send it again.",
    "refused_no_form": "There is no form at this address.",
    # pages
    "sent_title": "Thank you",
    "sent_text": "Your message has been received.",
    "failed_title": "Not sent",
    "problems_title": "Please check your answers",
    "problem_in_title": "Not sent yet: {title}",
    "whole_form": "The form",
    "optional": "optional",
    "submit": "Send",
    "sending": "Sending…",
    "choose": "Please choose",
    "nothing_chosen": "None",
    "honeypot": "Please leave this field empty",
    "needs_script": "This form can only be sent with JavaScript.",
    "files_again": "Please choose your files again.",
    "too_much_to_show": (
        "What you wrote is too long to be shown here. With the back button of your browser you find"
        " it again."
    ),
    "not_reached": "Nothing was sent: the connection failed. Please try again.",
    "open_form": "Open the form",
    "to_form": "Back to the form",
    "back_to": "Back to {site}",
    "example_name": "Name",
    "example_email": "E-mail",
    "example_message": "Message",
}
