"""English. Pure."""

TEXTS = {
    # what is wrong with a field
    "required": "Please fill out this field.",
    "required_box": "Please tick this box.",
    "required_choice": "Please select an option.",
    "too_short": "Please enter at least {limit} characters.",
    "too_short_1": "Please enter at least one character.",
    "too_long": "Please enter at most {limit} characters.",
    "too_long_1": "Please enter at most one character.",
    "too_small": "Please enter {limit} or more.",
    "too_large": "Please enter {limit} or less.",
    "not_above": "Please enter more than {limit}.",
    "not_below": "Please enter less than {limit}.",
    "not_multiple": "Please enter a multiple of {limit}.",
    "no_integer": "Please enter a whole number, for example 3.",
    "no_number": "Please enter a number, for example 3.5.",
    "no_boolean": "Please enter yes or no.",
    "no_list": "Please give a list of answers.",
    "no_text": "Please enter text.",
    "no_email": "Please enter an email address, for example name@example.com.",
    "no_url": "Please enter a web address, for example https://example.com.",
    "no_date": "Please enter a date, for example 2026-01-31.",
    "no_time": "Please enter a time, for example 14:30:00Z.",
    "no_date_time": "Please enter a date and time, for example 2026-01-31T14:30:00Z.",
    "no_option": "Please select one of the options.",
    "wrong_form": "Please match the requested format.",
    "too_few": "Please select at least {limit} options.",
    "too_few_1": "Please select at least one option.",
    "too_many": "Please select at most {limit} options.",
    "too_many_1": "Please select at most one option.",
    "repeated": "Please give each answer only once.",
    "unknown_fields": "This form has no such field: {names}.",
    "too_many_files": "Please select at most {limit} files.",
    "too_many_files_1": "Please select at most one file.",
    "file_too_large": "{names} is too large. The maximum size is {limit}.",
    "file_type": "{names}: this file type is not allowed. Allowed: {limit}.",
    "files_image": "images",
    "files_pdf": "PDF",
    "files_document": "documents",
    "files_text": "text",
    "files_audio": "audio",
    "files_video": "video",
    "files_archive": "archives",
    "file_wanted": (
        "Please select a file. Only text was received: the form needs"
        ' enctype="multipart/form-data".'
    ),
    "name_too_long": "The name of this field is longer than {limit} characters.",
    "nests_too_deep": "The name of this field is nested deeper than {limit} levels.",
    "nests_unclear": (
        "[] is only allowed at the end of a field name; use a number inside it, as in a[0][b]."
    ),
    "sent_both_ways": "This field was sent both as a single value and as an object.",
    "not_in_charset": "This text is not valid in the charset {limit}.",
    "wrong": "Please check this answer.",
    # why a form is not taken
    "refused_invalid": "Some answers need your attention.",
    "refused_unreadable": "The submission could not be read as a form.",
    "refused_bad_request": "The submission could not be read as a form.",
    "refused_unknown_type": "The submission has a content type that forms do not use.",
    "refused_unknown_charset": "The submission uses an unknown charset.",
    "refused_encoded": "The submission is compressed. Please send the form uncompressed.",
    "refused_cut_short": (
        "The connection was lost before everything arrived. Please send the form again."
    ),
    "refused_too_large": "The submission is too large.",
    "refused_too_many_fields": "The submission has too many fields. At most {most} are allowed.",
    "refused_too_many": "Too many submissions in a short time. Please try again later.",
    "refused_busy": "The server is busy. Please try again in a moment.",
    "refused_store_failed": "Your message could not be saved. Please try again.",
    "refused_used_before": (
        "This form has already been sent. Please check your answers and send it again."
    ),
    "refused_expired": (
        "This form was open for too long. Please check your answers and send it again."
    ),
    "refused_origin_not_allowed": "This form cannot be sent from this website.",
    "refused_files_not_supported": "This form does not accept files.",
    "refused_files_full": (
        "This form cannot accept more files at the moment. Please send it without files or try"
        " again later."
    ),
    "refused_daily_bytes_full": (
        "This form cannot accept more submissions today. Please try again tomorrow."
    ),
    "refused_disk_full": (
        "This form cannot accept submissions at the moment. Please try again later."
    ),
    "refused_empty": "The form is empty. Please fill it out.",
    "refused_file_type": "This file type is not allowed.",
    "refused_method_not_allowed": (
        "There is no page at this address. It only receives submitted forms."
    ),
    "refused_internal_error": "Something went wrong. Please try again.",
    "refused_no_form": "There is no form at this address.",
    # pages
    "sent_title": "Thank you",
    "sent_text": "Your message has been received.",
    "failed_title": "Not sent",
    "problems_title": "Please check your answers",
    "problem_in_title": "Not sent yet: {title}",
    "whole_form": "Form",
    "optional": "optional",
    "submit": "Send",
    "sending": "Sending…",
    "choose": "Please select",
    "nothing_chosen": "No answer",
    "honeypot": "Please leave this field empty",
    "needs_script": "Please enable JavaScript to send this form.",
    "files_again": "Please select your files again.",
    "too_much_to_show": (
        "Your text is too long to show here. Use the back button of your browser to return to it."
    ),
    "not_reached": "Your message was not sent because the connection failed. Please try again.",
    "open_form": "Open the form",
    "to_form": "Back to the form",
    "back_to": "Back to {site}",
    "example_name": "Name",
    "example_email": "Email",
    "example_message": "Message",
}
