variable "bucket" {
  description = "Name of the bucket, unique worldwide. AWS_STORAGE_BUCKET_NAME of the portal."
  type        = string
  default     = "primetrade-documents"

  # No dots: the name becomes part of the host name, and a dot would break TLS.
  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "3 to 63 of a-z 0-9 - , starting and ending with a letter or digit."
  }
}

variable "region" {
  description = "AWS_S3_REGION_NAME of the portal. us-east-2 is Ohio."
  type        = string
  default     = "us-east-2"
}

variable "user" {
  description = "Name of the portal's IAM user."
  type        = string
  default     = "primetrade-portal"
}

variable "link_life_seconds" {
  description = "Age in seconds from which the bucket refuses presigned links. The same as the portal's DOWNLOAD_URL_TTL_SECONDS."
  type        = number
  default     = 300

  validation {
    condition     = var.link_life_seconds >= 1 && var.link_life_seconds <= 604800 && floor(var.link_life_seconds) == var.link_life_seconds
    error_message = "A whole number from 1 to 604800, as for DOWNLOAD_URL_TTL_SECONDS."
  }
}

variable "archive_after_months" {
  description = "Months after which BOLs and old versions of objects move to a cheaper storage class. null: never."
  type        = number
  default     = null

  validation {
    condition     = var.archive_after_months == null ? true : contains(range(1, 601), var.archive_after_months)
    error_message = "A whole number from 1 to 600, or null."
  }
}

variable "archive_class" {
  description = "The cheaper storage class. Objects in GLACIER_IR and STANDARD_IA can be read immediately. Objects in the others must be restored first, which takes hours."
  type        = string
  default     = "GLACIER_IR"

  validation {
    condition     = contains(["GLACIER_IR", "STANDARD_IA", "GLACIER", "DEEP_ARCHIVE"], var.archive_class)
    error_message = "GLACIER_IR, STANDARD_IA, GLACIER or DEEP_ARCHIVE."
  }
}

variable "replica_region" {
  description = "Another region, such as us-west-2, for a second bucket with a copy of every object. null: none."
  type        = string
  default     = null

  validation {
    condition     = var.replica_region == null ? true : var.replica_region != var.region
    error_message = "Must differ from the bucket's own region."
  }
}

variable "replica_bucket" {
  description = "Name of the replica bucket. null: the bucket's name with -replica."
  type        = string
  default     = null
}

variable "alert_email" {
  description = "Email address for alerts when S3 costs more than expected. null: no alerts."
  type        = string
  default     = null
}

variable "monthly_budget_usd" {
  description = "Expected cost of S3 in this account, in dollars per month."
  type        = number
  default     = 5
}
