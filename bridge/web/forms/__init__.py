"""The forms as browsers meet them: what is answered to one that was sent, and the form as a page of its own."""
